//! A step is exactly one of guard, let and run; a member of the result exactly one of row, rows and value.

use std::collections::HashSet;

use crate::id::is_snake_case;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{At, ReturnFile, StepFile, ToolFile};
use crate::package::{Package, TOOLS_FILE};

pub(super) fn check(package: &Package) -> Vec<Diagnostic> {
    package.tools.iter().flat_map(|tool| tool_findings(tool)).collect()
}

fn tool_findings(tool: &ToolFile) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let name = &tool.name.value;
    let mut breach = |line, message: &str| {
        findings.push(Diagnostic::new(Code::StepInvalid, TOOLS_FILE, line, format!("{name}: {message}")));
    };
    let mut codes = HashSet::new();
    for step in &tool.program {
        for message in step_breaches(step) {
            breach(step.line, message);
        }
        if let Some(code) = &step.code
            && !codes.insert((code.value.clone(), step.error.as_ref().map(|error| error.value.clone())))
        {
            breach(code.line, "two guards refuse with the same code and error");
        }
    }
    if tool.returns.is_empty() {
        breach(tool.name.line, "returns nothing; an agent needs to see what came of its call");
    }
    for (member, output) in &tool.returns {
        if !is_snake_case(member) {
            breach(output.line, "a name under returns is not snake_case");
        }
        for message in return_breaches(output) {
            breach(output.line, message);
        }
    }
    findings
}

fn step_breaches(step: &StepFile) -> Vec<&'static str> {
    let mut breaches = Vec::new();
    let kinds = [&step.guard, &step.bind, &step.run];
    if kinds.iter().filter(|kind| kind.is_some()).count() != 1 {
        breaches.push("a step has none or several of guard, let and run");
    }
    if step.guard.is_some() != (step.code.is_some() && step.error.is_some()) {
        breaches.push("code and error belong to a guard, and a guard needs both");
    }
    if step.code.as_ref().is_some_and(|code| !is_snake_case(code)) {
        breaches.push("the code of a guard is not snake_case");
    }
    if step.error.as_ref().is_some_and(|error| error.trim().is_empty()) {
        breaches.push("the error of a guard is empty");
    }
    breaches
}

fn return_breaches(output: &At<ReturnFile>) -> Vec<&'static str> {
    let mut breaches = Vec::new();
    let kinds = [&output.row, &output.rows, &output.single];
    if kinds.iter().filter(|kind| kind.is_some()).count() != 1 {
        breaches.push("a member of returns has none or several of row, rows and value");
    }
    if output.optional && output.row.is_none() {
        breaches.push("optional belongs to a row");
    }
    if output.value_type.is_some() && output.single.is_none() {
        breaches.push("type belongs to a value; columns have types");
    }
    if output.single.is_some() && !(output.types.is_empty() && output.json.is_empty()) {
        breaches.push("a value has a type, not types or json");
    }
    breaches
}
