//! Results of a call: rows as JSON, and the schema they conform to.

use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};

use super::program::{Member, Shape};

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
    /// The JSON value of a cell in this column.
    pub(crate) fn value(&self, cell: ValueRef<'_>) -> Result<Value, OutputError> {
        let column = || self.name.clone();
        match cell {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(number @ (0 | 1)) if self.boolean => Ok(Value::Bool(number == 1)),
            ValueRef::Integer(number) if self.boolean => Err(OutputError::Boolean { column: column(), number }),
            ValueRef::Integer(number) => Ok(Value::from(number)),
            ValueRef::Real(number) => serde_json::Number::from_f64(number)
                .map(Value::Number)
                .ok_or_else(|| OutputError::NotFinite { column: column() }),
            ValueRef::Text(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| OutputError::Encoding { column: column() })?;
                if self.json {
                    let text = || text.to_owned();
                    serde_json::from_slice(bytes).map_err(|_| OutputError::Json { column: column(), text: text() })
                } else {
                    Ok(Value::String(text.to_owned()))
                }
            }
            ValueRef::Blob(_) => Err(OutputError::Blob { column: column() }),
        }
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
