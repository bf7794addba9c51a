//! Results as a person reads them: lists as tables on a terminal, JSON otherwise.

use std::fmt::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use owo_colors::{OwoColorize, Stream};
use serde_json::{Map, Value, json};

use super::shown;
use crate::engine::environment::{Environment, Tool};
use crate::engine::snapshot::TableDiff;
use crate::engine::state::Observation;

/// An observation.
pub(super) fn observation(observation: &Observation, terminal: bool) -> String {
    match observation {
        _ if !terminal => format!("{}\n", observation.text()),
        Observation::Completed(result) => match result.value() {
            Value::Object(members) => members.iter().map(|(name, value)| member(name, value)).collect(),
            _ => shown::observation(observation, true),
        },
        other => shown::observation(other, true),
    }
}

fn member(name: &str, value: &Value) -> String {
    let label = name.if_supports_color(Stream::Stdout, |name| name.cyan());
    match value {
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            format!("{label}\n{}\n", rows_table(rows))
        }
        Value::Object(row) => format!("{label}\n{}\n", row_table(row)),
        other => format!("{label}: {}\n", cell(other)),
    }
}

fn rows_table(rows: &[Value]) -> Table {
    let mut columns: Vec<&String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let mut table = table();
    table.set_header(columns.iter());
    for row in rows {
        table.add_row(columns.iter().map(|column| row.get(column.as_str()).map(cell).unwrap_or_default()));
    }
    for (index, column) in columns.iter().enumerate() {
        let is_number = |row: &Value| row.get(column.as_str()).is_none_or(|value| value.is_number() || value.is_null());
        if let Some(column) = table.column_mut(index)
            && rows.iter().all(is_number)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row_table(row: &Map<String, Value>) -> Table {
    let mut table = table();
    for (name, value) in row {
        table.add_row([name.as_str(), &cell(value)]);
    }
    table
}

fn table() -> Table {
    /// A terminal that says it is narrower doesn't know its width.
    const WIDTH_MIN: u16 = 30;
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    if table.width().is_some_and(|width| width >= WIDTH_MIN) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(elements) if elements.iter().all(|element| !element.is_object() && !element.is_array()) => {
            elements.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The tools in whose name, title or description `word` occurs.
pub(super) fn tools(environment: &Environment, word: &str, terminal: bool) -> String {
    let word = word.to_lowercase();
    let has_word = |tool: &&Tool| {
        let texts = [tool.name().as_ref(), tool.title(), tool.description()];
        texts.iter().any(|text| text.to_lowercase().contains(&word))
    };
    let found: Vec<&Tool> = environment.tools().values().filter(has_word).collect();
    if !terminal {
        let document: Vec<Value> = found
            .iter()
            .map(|tool| json!({"name": tool.name(), "title": tool.title(), "description": tool.description()}))
            .collect();
        return format!("{}\n", Value::from(document));
    }
    if found.is_empty() {
        return "no tool has that word in its name or description\n".to_owned();
    }
    let mut table = table();
    table.set_header(["tool", "arguments", "does"]);
    for tool in &found {
        table.add_row([tool.name().as_ref(), &signature(tool), tool.title()]);
    }
    format!("{table}\n")
}

/// The names of a tool's arguments, optional ones in brackets.
fn signature(tool: &Tool) -> String {
    let schema = tool.input_schema();
    let names = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let shown = names.map(|name| if is_required(tool, name) { name.clone() } else { format!("[{name}]") });
    shown.collect::<Vec<_>>().join(" ")
}

fn is_required(tool: &Tool, name: &str) -> bool {
    let required = tool.input_schema().get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|required| required == name))
}

/// Everything about one tool.
pub(super) fn describe(tool: &Tool, terminal: bool) -> String {
    if !terminal {
        let document = json!({
            "name": tool.name(), "title": tool.title(), "description": tool.description(),
            "inputSchema": **tool.input_schema(), "outputSchema": **tool.output_schema(),
        });
        return format!("{document}\n");
    }
    let name = tool.name().as_ref();
    let only_reads = if tool.annotations().read_only { "only reads" } else { "changes things" };
    let mut text = format!(
        "{} ({}, {only_reads})\n{}\n",
        name.if_supports_color(Stream::Stdout, |name| name.bold()),
        tool.title(),
        tool.description(),
    );
    let properties = tool.input_schema().get("properties").and_then(Value::as_object);
    if let Some(properties) = properties.filter(|properties| !properties.is_empty()) {
        let mut table = table();
        table.set_header(["argument", "type", "", "meaning"]);
        for (name, property) in properties {
            let need = if is_required(tool, name) { "required" } else { "" };
            let meaning = property.get("description").and_then(Value::as_str).unwrap_or_default();
            table.add_row([name.as_str(), &argument_type(property), need, meaning]);
        }
        let _ = writeln!(text, "{table}");
    }
    let returned = tool.output_schema().get("properties").and_then(Value::as_object);
    let returned: Vec<&str> = returned.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let _ = writeln!(text, "returns {}", returned.join(", "));
    text
}

/// The type with its limits, in short.
fn argument_type(property: &Value) -> String {
    let text = |key: &str| property.get(key).map(cell);
    if let Some(members) = property.get("enum").and_then(Value::as_array) {
        let mut shown = members.iter().map(cell).collect::<Vec<_>>().join(" | ");
        if let Some(default) = text("default") {
            let _ = write!(shown, " (default {default})");
        }
        return shown;
    }
    let mut shown = text("type").unwrap_or_else(|| "any".to_owned());
    if shown == "array" {
        let items = property.get("items").map(argument_type).unwrap_or_default();
        shown = format!("list of {items}");
    }
    match (text("minimum"), text("maximum")) {
        (Some(least), Some(most)) => shown.push_str(&format!(" {least}..{most}")),
        (Some(least), None) => shown.push_str(&format!(" from {least}")),
        (None, Some(most)) => shown.push_str(&format!(" to {most}")),
        (None, None) => {}
    }
    if let Some(default) = text("default") {
        let _ = write!(shown, " (default {default})");
    }
    shown
}

/// What changed since the start.
pub(super) fn diff(tables: &[TableDiff], terminal: bool) -> String {
    if !terminal {
        return format!("{}\n", json!(tables));
    }
    if tables.is_empty() {
        return "nothing has changed since the start\n".to_owned();
    }
    let mut text = String::new();
    for diff in tables {
        let _ = writeln!(text, "{}", diff.table.if_supports_color(Stream::Stdout, |table| table.bold()));
        for row in &diff.added {
            let sign = "+".if_supports_color(Stream::Stdout, |sign| sign.green()).to_string();
            let _ = writeln!(text, "  {sign} {row}");
        }
        for row in &diff.removed {
            let sign = "-".if_supports_color(Stream::Stdout, |sign| sign.red()).to_string();
            let _ = writeln!(text, "  {sign} {row}");
        }
        for row in &diff.changed {
            let sign = "~".if_supports_color(Stream::Stdout, |sign| sign.yellow()).to_string();
            let _ = writeln!(text, "  {sign} {}", changed_row(&row.before, &row.after));
        }
    }
    text
}

/// A changed row: its first column, by which it is known, and the columns that differ.
fn changed_row(before: &Value, after: &Value) -> String {
    let empty = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let mut text = String::new();
    for (index, (name, value)) in after.iter().enumerate() {
        let was = before.get(name).unwrap_or(&Value::Null);
        if was != value {
            let _ = write!(text, "  {name}: {was} -> {value}");
        } else if index == 0 {
            let _ = write!(text, "{name} {value}");
        }
    }
    text
}
