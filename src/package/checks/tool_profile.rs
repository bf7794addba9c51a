//! The portable tool profile: input schemas that every model provider and agent framework accepts.
//!
//! An object of flat, typed and described properties; objects appear only as elements of an array; no references and no
//! combinators, which several providers refuse or ignore.

use serde_json::{Map, Value};

use crate::id::is_snake_case;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::ToolFile;
use crate::package::{Package, TOOLS_FILE};

/// Keyword of a property that says where valid values come from (`table.column`); used by walks, never served.
pub(crate) const SOURCE_KEYWORD: &str = "x-from";

const ROOT_KEYWORDS: &[&str] = &["type", "properties", "required", "additionalProperties", "description"];

const SCALAR_KEYWORDS: &[&str] = &[
    "type",
    "description",
    "title",
    "enum",
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "examples",
    SOURCE_KEYWORD,
];

const ARRAY_KEYWORDS: &[&str] =
    &["type", "description", "title", "items", "minItems", "maxItems", "uniqueItems", "default", SOURCE_KEYWORD];

const OBJECT_KEYWORDS: &[&str] = &["type", "description", "title", "properties", "required", "additionalProperties"];

pub(super) fn check(package: &Package) -> Vec<Diagnostic> {
    package.tools.iter().flat_map(|tool| tool_findings(tool)).collect()
}

fn tool_findings(tool: &ToolFile) -> Vec<Diagnostic> {
    let mut breaches = Vec::new();
    match tool.input_schema.as_object() {
        Some(root) => root_breaches(root, &mut breaches),
        None => breaches.push("inputSchema is not an object".to_owned()),
    }
    let line = tool.input_schema.line;
    let name = &tool.name.value;
    let finding = |breach| Diagnostic::new(Code::ToolProfile, TOOLS_FILE, line, format!("{name}: {breach}"));
    breaches.into_iter().map(finding).collect()
}

fn root_breaches(root: &Map<String, Value>, breaches: &mut Vec<String>) {
    if root.get("type").and_then(Value::as_str) != Some("object") {
        breaches.push("inputSchema is not of type object".to_owned());
    }
    keywords("inputSchema", root, ROOT_KEYWORDS, breaches);
    object_breaches("", root, breaches);
}

fn object_breaches(path: &str, schema: &Map<String, Value>, breaches: &mut Vec<String>) {
    let none = Map::new();
    let properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) => return breaches.push(format!("properties of {path:?} are not an object")),
        None => &none,
    };
    for (name, property) in properties {
        let path = format!("{path}{name}");
        if !is_snake_case(name) {
            breaches.push(format!("the property {path:?} is not snake_case"));
        }
        match property.as_object() {
            Some(property) => property_breaches(&path, property, path.contains("[]"), breaches),
            None => breaches.push(format!("the property {path:?} has no schema")),
        }
    }
    match schema.get("required") {
        None => {}
        Some(Value::Array(required)) => {
            for name in required {
                if name.as_str().is_none_or(|name| !properties.contains_key(name)) {
                    breaches.push(format!("required names {name}, which is no property"));
                }
            }
        }
        Some(_) => breaches.push("required is not a list".to_owned()),
    }
}

fn property_breaches(path: &str, schema: &Map<String, Value>, nested: bool, breaches: &mut Vec<String>) {
    let described = schema.get("description").and_then(Value::as_str);
    if described.is_none_or(|text| text.trim().is_empty()) {
        breaches.push(format!("the property {path:?} has no description"));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "number" | "boolean") => keywords(path, schema, SCALAR_KEYWORDS, breaches),
        Some("array") if nested => breaches.push(format!("the property {path:?} is a list within a list")),
        Some("array") => array_breaches(path, schema, breaches),
        Some("object") => breaches.push(format!("the property {path:?} is an object outside a list")),
        _ => breaches.push(format!("the property {path:?} has no type")),
    }
}

fn array_breaches(path: &str, schema: &Map<String, Value>, breaches: &mut Vec<String>) {
    keywords(path, schema, ARRAY_KEYWORDS, breaches);
    let Some(items) = schema.get("items").and_then(Value::as_object) else {
        return breaches.push(format!("the list {path:?} has no items"));
    };
    match items.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "number" | "boolean") => keywords(path, items, SCALAR_KEYWORDS, breaches),
        Some("object") => {
            keywords(path, items, OBJECT_KEYWORDS, breaches);
            object_breaches(&format!("{path}[]."), items, breaches);
        }
        _ => breaches.push(format!("items of {path:?} are neither scalars nor flat objects")),
    }
}

fn keywords(path: &str, schema: &Map<String, Value>, allowed: &[&str], breaches: &mut Vec<String>) {
    for keyword in schema.keys() {
        if !allowed.contains(&keyword.as_str()) {
            breaches.push(format!("{path:?} uses {keyword:?}, which is outside the portable profile"));
        }
    }
}
