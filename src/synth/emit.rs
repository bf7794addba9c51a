//! YAML that people read: block style, with small things in flow style on one line, and SQL of several lines as it is.

use serde_json::{Map, Value};

/// Longest line that something in flow style may make.
const LINE_LENGTH_MAX: usize = 140;

/// A document.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push('\n');
                }
                text.push_str("- ");
                block(element, 2, &mut text);
            }
        }
        other => block(other, 0, &mut text),
    }
    if text.is_empty() || value.as_array().is_some_and(Vec::is_empty) {
        return "[]\n".to_owned();
    }
    text
}

/// A value in block style; the cursor stands where its first line begins.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str(&scalar_text(key, false));
                text.push(':');
                member_of(key, member, indent, text);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str("- ");
                match flow(element).filter(|flow| indent + flow.len() + 2 <= LINE_LENGTH_MAX && !is_step(element)) {
                    Some(flow) => {
                        text.push_str(&flow);
                        text.push('\n');
                    }
                    None => block(element, indent + 2, text),
                }
            }
        }
        other => {
            text.push_str(&flow(other).unwrap_or_default());
            text.push('\n');
        }
    }
}

/// What follows `key:`.
fn member_of(key: &str, member: &Value, indent: usize, text: &mut String) {
    if let Value::String(long) = member
        && long.contains('\n')
        && !long.starts_with([' ', '\n'])
        && !long.lines().any(|line| line.ends_with(' '))
    {
        text.push_str(if long.ends_with('\n') { " |\n" } else { " |-\n" });
        for line in long.lines() {
            if !line.is_empty() {
                text.push_str(&" ".repeat(indent + 2));
                text.push_str(line);
            }
            text.push('\n');
        }
        return;
    }
    let room = LINE_LENGTH_MAX.saturating_sub(indent + key.len() + 2);
    let is_scalar = !member.is_object() && !member.is_array();
    if let Some(flow) = flow(member).filter(|flow| is_scalar || flow.len() <= room) {
        text.push(' ');
        text.push_str(&flow);
        text.push('\n');
        return;
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent + 2));
    block(member, indent + 2, text);
}

/// Steps of programs stand in block style, one key a line, whatever their length.
fn is_step(element: &Value) -> bool {
    element.get("guard").is_some() || element.get("let").is_some_and(|_| element.get("when").is_some())
}

/// A value in flow style; none for texts of several lines inside it.
fn flow(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => scalar_text(text, false),
        Value::Array(elements) => {
            let parts: Option<Vec<String>> = elements.iter().map(inner).collect();
            format!("[{}]", parts?.join(", "))
        }
        Value::Object(members) => format!("{{{}}}", flow_members(members)?),
    })
}

fn flow_members(members: &Map<String, Value>) -> Option<String> {
    let parts: Option<Vec<String>> =
        members.iter().map(|(key, member)| Some(format!("{}: {}", scalar_text(key, true), inner(member)?))).collect();
    Some(parts?.join(", "))
}

fn inner(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.contains('\n') => None,
        Value::String(text) => Some(scalar_text(text, true)),
        other => flow(other),
    }
}

/// A text as a YAML scalar: plain where that is read back as the same text.
fn scalar_text(text: &str, in_flow: bool) -> String {
    let reserved = matches!(
        text.to_ascii_lowercase().as_str(),
        "" | "null" | "~" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | ".nan" | ".inf" | "-.inf"
    );
    let first = text.chars().next().unwrap_or(' ');
    let risky_start =
        !(first.is_ascii_alphabetic() || first == '_' || first == '$' || first == '(' || !first.is_ascii())
            || first.is_whitespace();
    let risky_inside =
        text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']) || text.chars().any(char::is_control);
    let risky_flow = in_flow && text.contains([',', '[', ']', '{', '}', ':', '"', '\'', '#', '?']);
    if reserved || risky_start || risky_inside || risky_flow {
        return Value::from(text).to_string();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_read_back() {
        let value = json!([
            {"name": "a", "empty": "", "no": "no", "n": "12", "date": "2026-03-01", "t": "a: b", "c": "x # y", "q": "say \"hi\"",
             "sql": "SELECT 1\nFROM t\n", "list": [1, 2.5, true, null], "deep": {"x": {"y": ["a, b", "c]"]}}, "none": {}, "brace": "{a} b",
             "minus": "-1", "star": "*x", "colon": "12:30", "tail": "x:", "unicode": "é"},
            {"name": "b", "program": [{"guard": "SELECT 1", "code": "c", "error": "no"}]},
        ]);
        let text = document(&value);
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, value, "{text}");
    }
}
