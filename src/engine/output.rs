//! Results of a call: rows as JSON text, and the schema they conform to.
//!
//! A result is sent as text and, raw, as structured content, and hashed into the journal; so it is written as text at once.
//! Whoever must look into it (checks, schemas, arguments taken from it) asks for [`JsonText::value`].

use std::fmt;

use rusqlite::types::ValueRef;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::program::{Member, Shape};

/// Deepest JSON in a column. Readers give up at 128 levels, and a column lies within a row, a list, a result and a message.
const JSON_DEPTH_MAX: usize = 120;

/// A result as compact JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text itself.
    pub fn into_string(self) -> String {
        self.0
    }

    /// What the text says. Written again it gives the same text: numbers are read to the last bit (`float_roundtrip`).
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Writes JSON piece by piece. Commas and brackets are the caller's.
#[derive(Debug)]
pub(crate) struct JsonWriter(Vec<u8>);

impl JsonWriter {
    /// Room for the usual result; longer ones make it grow.
    const BYTES_USUAL: usize = 1 << 10;

    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(Self::BYTES_USUAL))
    }

    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// The name of a member, and the colon behind it.
    pub(crate) fn key(&mut self, name: &str) {
        self.serialize(name);
        self.0.push(b':');
    }

    fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Neither scalars nor values fail to serialize, nor does a vector refuse to grow.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    pub(crate) fn finish(self) -> JsonText {
        JsonText(String::from_utf8(self.0).unwrap_or_default())
    }
}

/// A JSON type a column can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum JsonType {
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl JsonType {
    /// Parses a type as packages write it, `integer` or `integer?`: the type and whether it may be null.
    pub(crate) fn parse(text: &str) -> Option<(Self, bool)> {
        let (name, nullable) = match text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let parsed = match name {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        };
        Some((parsed, nullable))
    }

    /// The type of a column declared with an SQL type of a STRICT table.
    pub(crate) fn declared(sql_type: &str) -> Option<Self> {
        match sql_type.to_ascii_uppercase().as_str() {
            "INTEGER" | "INT" => Some(Self::Integer),
            "REAL" => Some(Self::Number),
            "TEXT" => Some(Self::String),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// What a column of a result holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnType {
    /// Its types; several only where neither the schema nor the package nor any observation says which.
    pub types: Vec<JsonType>,
    /// Whether it may be null.
    pub nullable: bool,
    /// True where the type was seen rather than declared, so that an observation may widen it.
    pub inferred: bool,
}

impl ColumnType {
    /// Widens an inferred type so that it covers `value`. A whole number widens to `number`: the next may have a fraction.
    pub(crate) fn observe(&mut self, value: &Value) {
        let seen = match value {
            Value::Null => return,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        };
        if self.inferred && !self.types.contains(&seen) {
            self.types.push(seen);
            self.types.sort_unstable();
        }
    }

    fn schema(&self) -> Value {
        const ANY_SCALAR: &[JsonType] = &[JsonType::Number, JsonType::String];
        let types = if self.types.is_empty() { ANY_SCALAR } else { &self.types };
        let mut names: Vec<&str> = types.iter().map(|json_type| json_type.as_str()).collect();
        if self.nullable {
            names.push("null");
        }
        match names.as_slice() {
            [one] => json!({ "type": one }),
            several => json!({ "type": several }),
        }
    }
}

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its name, the JSON member's.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// True where the text in it is JSON.
    pub json: bool,
    /// True where 0 and 1 in it mean false and true.
    pub boolean: bool,
}

/// Why a value can't be returned: the environment's defect.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("column {column} holds a blob, which JSON can't carry")]
    Blob { column: String },
    #[error("column {column} is declared json and holds {text:?}")]
    Json { column: String, text: String },
    #[error("column {column} holds text that is not UTF-8")]
    Encoding { column: String },
    #[error("column {column} is declared boolean and holds {number}")]
    Boolean { column: String, number: i64 },
    #[error("column {column} holds a number that is not finite")]
    NotFinite { column: String },
}

impl Column {
    /// Writes a cell of this column as JSON.
    pub(crate) fn write(&self, cell: ValueRef<'_>, out: &mut JsonWriter) -> Result<(), OutputError> {
        let column = || self.name.clone();
        match cell {
            ValueRef::Null => out.raw("null"),
            ValueRef::Integer(0) if self.boolean => out.raw("false"),
            ValueRef::Integer(1) if self.boolean => out.raw("true"),
            ValueRef::Integer(number) if self.boolean => return Err(OutputError::Boolean { column: column(), number }),
            ValueRef::Integer(number) => out.serialize(&number),
            ValueRef::Real(number) if number.is_finite() => out.serialize(&number),
            ValueRef::Real(_) => return Err(OutputError::NotFinite { column: column() }),
            ValueRef::Text(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| OutputError::Encoding { column: column() })?;
                if self.json {
                    // As the episode's database has it, but compact and with each member once.
                    let value: Option<Value> = serde_json::from_str(text).ok();
                    let value = value.filter(|value| depth(value) <= JSON_DEPTH_MAX);
                    out.serialize(&value.ok_or_else(|| OutputError::Json { column: column(), text: text.to_owned() })?);
                } else {
                    out.serialize(text);
                }
            }
            ValueRef::Blob(_) => return Err(OutputError::Blob { column: column() }),
        }
        Ok(())
    }
}

/// How deep lists and objects lie in each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The JSON Schema of a tool's result.
pub(crate) fn schema(members: &[Member]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        members.iter().map(|member| (member.name.clone(), member_schema(member))).collect();
    let required: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn member_schema(member: &Member) -> Value {
    match member.shape {
        Shape::Value => member.columns.first().map_or(Value::Null, |column| column.column_type.schema()),
        Shape::Row { optional } => row_schema(member, optional),
        Shape::Rows => json!({ "type": "array", "items": row_schema(member, false) }),
    }
}

fn row_schema(member: &Member, nullable: bool) -> Value {
    let columns = &member.columns;
    let properties: Map<String, Value> =
        columns.iter().map(|column| (column.name.clone(), column.column_type.schema())).collect();
    let required: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let object_type = if nullable { json!(["object", "null"]) } else { json!("object") };
    json!({
        "type": object_type,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(json: bool) -> Column {
        let column_type = ColumnType { types: Vec::new(), nullable: true, inferred: true };
        Column { name: "c".to_owned(), column_type, json, boolean: false }
    }

    fn written(column: &Column, cell: ValueRef<'_>) -> Option<JsonText> {
        let mut out = JsonWriter::new();
        column.write(cell, &mut out).ok().map(|()| out.finish())
    }

    #[test]
    fn what_is_read_from_a_result_is_what_was_written() {
        let mut bits = 1_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f64::from_bits(bits);
            let Some(text) = written(&column(false), ValueRef::Real(number)) else {
                assert!(!number.is_finite());
                continue;
            };
            assert_eq!(text.value().to_string(), text.as_str());
        }
        for text in ["{\"b\": 1.50,\n \"a\": [1, 1e2, \"\\u00e9\"], \"b\": null}", "[]", "-0.0"] {
            let text = written(&column(true), ValueRef::Text(text.as_bytes())).unwrap();
            assert_eq!(text.value().to_string(), text.as_str());
        }
    }

    #[test]
    fn json_too_deep_to_be_read_again_is_a_fault() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let write = |depth| written(&column(true), ValueRef::Text(nested(depth).as_bytes()));
        assert!(write(JSON_DEPTH_MAX).is_some());
        assert!(write(JSON_DEPTH_MAX + 1).is_none());
    }
}
