//! Completion: commands and tools, then the names of a tool's arguments, then their values where there are few.

use std::sync::Arc;

use rustyline::completion::{Completer, Pair};
use rustyline::{Context, Helper, Highlighter, Hinter, Validator};
use serde_json::Value;

use super::COMMANDS;
use crate::engine::environment::{Environment, Tool};

/// What rustyline asks while a line is typed.
#[derive(Helper, Highlighter, Hinter, Validator)]
pub(super) struct LineHelper {
    pub(super) environment: Arc<Environment>,
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        let start = typed.rfind(' ').map_or(0, |space| space + 1);
        let before: Vec<&str> = typed[..start].split_whitespace().collect();
        let word = &typed[start..];
        Ok(self.candidates(&before, word, start))
    }
}

impl LineHelper {
    /// Where the replaced text begins, and what may stand there.
    fn candidates(&self, before: &[&str], word: &str, start: usize) -> (usize, Vec<Pair>) {
        let tools = self.environment.tools();
        let tool_names = tools.keys().map(AsRef::as_ref);
        match before {
            [] => {
                let commands = COMMANDS.iter().map(|(name, _, _)| *name);
                (start, matching(commands.chain(tool_names), word, " "))
            }
            ["call" | "describe"] => (start, matching(tool_names, word, " ")),
            ["call", tool, given @ ..] | [tool, given @ ..] => match tools.get(*tool) {
                Some(tool) => argument(tool, given, word, start),
                None => (start, Vec::new()),
            },
        }
    }
}

fn argument(tool: &Tool, given: &[&str], word: &str, start: usize) -> (usize, Vec<Pair>) {
    let schema = tool.input_schema();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return (start, Vec::new());
    };
    if let Some((name, text)) = word.split_once('=') {
        let values = properties.get(name).map(values).unwrap_or_default();
        return (start + name.len() + 1, matching(values.iter().map(String::as_str), text, " "));
    }
    let is_given = |name: &str| given.iter().any(|word| word.split('=').next() == Some(name));
    let names = properties.keys().map(String::as_str).filter(|name| !is_given(name));
    (start, matching(names, word, "="))
}

/// The values an argument may have, where they can be listed.
fn values(property: &Value) -> Vec<String> {
    if let Some(members) = property.get("enum").and_then(Value::as_array) {
        return members.iter().map(super::shown::argument).collect();
    }
    match property.get("type").and_then(Value::as_str) {
        Some("boolean") => vec!["true".to_owned(), "false".to_owned()],
        _ => property.get("default").map(super::shown::argument).into_iter().collect(),
    }
}

fn matching<'n>(names: impl Iterator<Item = &'n str>, start: &str, after: &str) -> Vec<Pair> {
    let found = names
        .filter(|name| name.starts_with(start))
        .map(|name| Pair { display: name.to_owned(), replacement: format!("{name}{after}") });
    found.collect()
}
