//! Tasks name tools and arguments that exist, refer only to earlier calls, and ask for what they judge.

use std::collections::HashMap;

use serde_json::Value;

use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{ExpectFile, OneOrMany, TaskFile, ToolFile};
use crate::package::{Package, TASKS_FILE};

pub(super) fn check(package: &Package) -> Vec<Diagnostic> {
    let tools: HashMap<&str, &ToolFile> = package.tools.iter().map(|tool| (tool.name.as_str(), &tool.value)).collect();
    let mut findings = Vec::new();
    for task in &package.tasks {
        let name = &task.name.value;
        let mut breach = |line, message: String| {
            findings.push(Diagnostic::new(Code::TaskInvalid, TASKS_FILE, line, format!("{name}: {message}")));
        };
        calls(task, &tools, &mut breach);
        answer(task, &mut breach);
    }
    findings
}

fn calls(task: &TaskFile, tools: &HashMap<&str, &ToolFile>, breach: &mut impl FnMut(usize, String)) {
    if task.solution.calls.is_empty() {
        breach(task.solution.line, "the solution calls nothing".to_owned());
    }
    for (index, call) in task.solution.calls.iter().enumerate() {
        let Some(tool) = tools.get(call.tool.as_str()) else {
            breach(call.tool.line, format!("there is no tool {:?}", call.tool.value));
            continue;
        };
        for (argument, value) in &call.arguments {
            if tool.input_schema.pointer(&format!("/properties/{argument}")).is_none() {
                breach(value.line, format!("{} has no input {argument:?}", call.tool.value));
            }
            if let Some(message) = argument_breach(value, index) {
                breach(value.line, format!("{argument} {message}"));
            }
        }
    }
}

/// An object as an argument is one of the three ways to say where a value comes from: tools take no objects.
fn argument_breach(value: &Value, index: usize) -> Option<String> {
    let source = value.as_object()?;
    let keys: Vec<&str> = source.keys().map(String::as_str).collect();
    match keys.as_slice() {
        ["from", "path"] | ["path", "from"] => {
            let from = source.get("from").and_then(Value::as_u64)?;
            (from >= index as u64).then(|| format!("comes from call {from}, which isn't earlier than call {index}"))
        }
        ["derived"] | ["free"] => None,
        _ => Some("is an object that is neither {from, path} nor {derived} nor {free}".to_owned()),
    }
}

fn answer(task: &TaskFile, breach: &mut impl FnMut(usize, String)) {
    let line = task.verify.line.max(task.solution.line);
    match (&task.solution.answer, task.verify.answer.is_empty()) {
        (Some(answer), true) => {
            breach(answer.line, "there is a reference answer and nothing to judge it by".to_owned())
        }
        (None, false) => breach(line, "an answer is judged and there is no reference answer".to_owned()),
        _ => {}
    }
    for expect in &task.verify.answer {
        let empty = match &expect.value {
            ExpectFile::Number(number) => !number.is_finite(),
            ExpectFile::Text(OneOrMany::One(text)) => text.trim().is_empty(),
            ExpectFile::Text(OneOrMany::Many(texts)) | ExpectFile::Set(texts) => {
                texts.is_empty() || texts.iter().any(|text| text.trim().is_empty())
            }
            ExpectFile::Date(date) => crate::clock::parse(&format!("{date}T00:00:00Z")).is_none(),
        };
        if empty {
            breach(expect.line, "an expected value is empty or malformed; dates are written 2026-03-04".to_owned());
        }
    }
}
