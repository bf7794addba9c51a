//! Calls, observations and verdicts as people read them in a terminal.

use std::fmt::Write;

use owo_colors::{OwoColorize, Stream};
use serde_json::{Map, Value};

use crate::engine::state::Observation;
use crate::engine::verify::Verdict;

/// Lines of an observation that are shown where not all of it is asked for.
const LINES_SHOWN_MAX: usize = 40;

/// A call on one line.
pub(super) fn call(tool: &str, arguments: &Map<String, Value>) -> String {
    let tool = tool.if_supports_color(Stream::Stdout, |tool| tool.bold());
    let mut text = tool.to_string();
    for (name, value) in arguments {
        let name = name.if_supports_color(Stream::Stdout, |name| name.cyan());
        let _ = write!(text, " {name}={}", argument(value));
    }
    text
}

/// A value the way `play` reads it: bare where it is one plain word, else as JSON.
pub(super) fn argument(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain_word(text) => text.clone(),
        other => other.to_string(),
    }
}

/// True for texts that neither need quotes nor would be read as something else.
fn is_plain_word(text: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || "_-.:@/+".contains(letter);
    !text.is_empty() && text.chars().all(plain) && serde_json::from_str::<Value>(text).is_err()
}

/// An observation, indented: all of it, or its beginning.
pub(super) fn observation(observation: &Observation, whole: bool) -> String {
    let text = match observation {
        Observation::Completed(result) => pretty(&result.value()),
        Observation::Rejected { code, message } => {
            let label = format!("refused ({code})");
            format!("{}: {message}", label.if_supports_color(Stream::Stdout, |label| label.yellow()))
        }
        Observation::InvalidArguments { problems } => {
            let label = "invalid arguments";
            let mut text = label.if_supports_color(Stream::Stdout, |label| label.yellow()).to_string();
            for problem in problems {
                let place = if problem.path.is_empty() { "arguments" } else { problem.path.as_str() };
                let _ = write!(text, "\n  {place}: {}", problem.message);
            }
            text
        }
    };
    let lines: Vec<&str> = text.lines().collect();
    let shown = if whole { lines.len() } else { lines.len().min(LINES_SHOWN_MAX) };
    let mut indented = String::new();
    for line in &lines[..shown] {
        let _ = writeln!(indented, "   {line}");
    }
    if shown < lines.len() {
        let _ = writeln!(indented, "   .. {} more lines", lines.len() - shown);
    }
    indented
}

/// JSON that keeps short objects on one line, as results are mostly lists of small rows.
pub(super) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(&mut text, value, 0);
    text
}

fn write_pretty(text: &mut String, value: &Value, depth: usize) {
    const LINE_LENGTH_MAX: usize = 110;
    let compact = value.to_string();
    let nested: Vec<(Option<&String>, &Value)> = match value {
        _ if compact.len() + 2 * depth <= LINE_LENGTH_MAX => Vec::new(),
        Value::Array(elements) => elements.iter().map(|element| (None, element)).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (Some(name), member)).collect(),
        _ => Vec::new(),
    };
    if nested.is_empty() {
        text.push_str(&compact);
        return;
    }
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    text.push(open);
    for (index, (name, element)) in nested.iter().enumerate() {
        text.push_str(if index > 0 { ",\n" } else { "\n" });
        text.push_str(&"  ".repeat(depth + 1));
        if let Some(name) = name {
            let _ = write!(text, "{}: ", Value::from(name.as_str()));
        }
        write_pretty(text, element, depth + 1);
    }
    let _ = write!(text, "\n{}{close}", "  ".repeat(depth));
}

/// A verdict with its checks.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let reward = match verdict.reward {
        Some(reward) => format!("reward {reward:.1}"),
        None => "no reward".to_owned(),
    };
    let reward = reward.if_supports_color(Stream::Stdout, |reward| reward.bold());
    let mut text = format!("{reward}\n");
    for check in &verdict.checks {
        let mark = if check.passed {
            "passed".if_supports_color(Stream::Stdout, |mark| mark.green()).to_string()
        } else {
            "failed".if_supports_color(Stream::Stdout, |mark| mark.red()).to_string()
        };
        let _ = writeln!(text, "  {mark}  {}: {}", check.name, check.reason);
    }
    text
}
