//! Arguments of a call: validated against the tool's input schema, all problems at once, and turned into SQL values.

use jsonschema::error::ValidationErrorKind;
use rusqlite::types::Value as SqlValue;
use serde::Serialize;
use serde_json::{Map, Value};

use super::nearest;
use crate::package::checks::SOURCE_KEYWORD;

/// Most problems listed for one call. An agent mends a handful at a time, and a hostile body could produce thousands.
const PROBLEMS_MAX: usize = 20;

/// Longest accepted string argument in bytes, whatever the schema says: programs copy their inputs into rows and results.
const STRING_BYTES_MAX: usize = 64 << 10;

/// One thing that is wrong with the arguments of a call, in words an agent can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which argument, as `lines[2].quantity`; empty where it is the arguments as a whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// The inputs of a tool: its schema as served, a precompiled validator, and how each input is bound.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    schema: std::sync::Arc<Map<String, Value>>,
    validator: jsonschema::Validator,
    inputs: Vec<Input>,
    /// Whether a call without arguments is valid, which is asked often and always has the same answer.
    none_valid: bool,
}

/// One input of a tool.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Its name, also the name of its parameter.
    pub name: String,
    /// Its own schema, with keywords that are never served.
    pub schema: Value,
    /// True where a call must give it.
    pub required: bool,
    default: SqlValue,
    integer: bool,
}

impl Inputs {
    /// Compiles an input schema; an error says why it is no valid JSON Schema 2020-12.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let root = schema.as_object().ok_or("inputSchema is not an object")?;
        if root.get("type").and_then(Value::as_str) != Some("object") {
            return Err("inputSchema is not of type object".to_owned());
        }
        let none = Map::new();
        let properties = root.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required: Vec<&str> = root
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let inputs = properties
            .iter()
            .map(|(name, property)| Input {
                name: name.clone(),
                schema: property.clone(),
                required: required.contains(&name.as_str()),
                default: property.get("default").map_or(SqlValue::Null, |value| to_sql(value, is_integer(property))),
                integer: is_integer(property),
            })
            .collect();
        let served = served(schema);
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&served)
            .map_err(|err| err.to_string())?;
        let Value::Object(served) = served else {
            return Err("inputSchema is not an object".to_owned());
        };
        let none_valid = validator.is_valid(&Value::Object(Map::new()));
        Ok(Self { schema: std::sync::Arc::new(served), validator, inputs, none_valid })
    }

    /// The schema as agents see it.
    pub(crate) fn schema(&self) -> &std::sync::Arc<Map<String, Value>> {
        &self.schema
    }

    /// The inputs, in the order of their schema.
    pub(crate) fn all(&self) -> &[Input] {
        &self.inputs
    }

    /// The SQL values of a call's arguments, one for each input, or everything that is wrong with them.
    pub(crate) fn bind(&self, arguments: &Map<String, Value>) -> Result<Vec<SqlValue>, Vec<Problem>> {
        // Agents often send null for an optional input they don't want to set: it counts as absent.
        let has_null = arguments.values().any(Value::is_null);
        let problems = if arguments.is_empty() && self.none_valid {
            Vec::new()
        } else if has_null {
            let mut present = arguments.clone();
            present.retain(|name, value| !value.is_null() || self.is_required(name));
            self.problems(&Value::Object(present))
        } else {
            self.problems(&Value::Object(arguments.clone()))
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let value = |input: &Input| match arguments.get(&input.name) {
            None | Some(Value::Null) => input.default.clone(),
            Some(value) => to_sql(value, input.integer),
        };
        Ok(self.inputs.iter().map(value).collect())
    }

    fn is_required(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name && input.required)
    }

    fn problems(&self, arguments: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.validator.is_valid(arguments) {
            for error in self.validator.iter_errors(arguments).take(PROBLEMS_MAX) {
                self.describe(&error, &mut problems);
            }
        }
        if problems.is_empty() {
            beyond_sqlite("", arguments, &mut problems);
        }
        problems.truncate(PROBLEMS_MAX);
        problems
    }

    fn describe(&self, error: &jsonschema::ValidationError<'_>, problems: &mut Vec<Problem>) {
        let path = readable(error.instance_path().as_str());
        let mut problem = |path: String, message: String| problems.push(Problem { path, message });
        let join = |path: &str, name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problem(join(&path, name), "is required and missing".to_owned());
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for name in unexpected {
                    let known = self.inputs.iter().map(|input| input.name.as_str());
                    let known: Vec<&str> = if path.is_empty() { known.collect() } else { Vec::new() };
                    problem(join(&path, name), unknown_input(name, &known));
                }
            }
            ValidationErrorKind::Type { .. } => {
                let expected = error.schema_path().as_str();
                let expected = self.expected_type(expected).unwrap_or("another type");
                problem(path, format!("must be {expected}, not {}", shown(error.instance())));
            }
            ValidationErrorKind::Enum { options } => {
                problem(path, format!("must be one of {}, not {}", listed(options), shown(error.instance())));
            }
            kind => problem(path, limit_message(kind, error)),
        }
    }

    fn expected_type(&self, schema_path: &str) -> Option<&'static str> {
        let schema = Value::Object((*self.schema).clone());
        match schema.pointer(schema_path)?.as_str()? {
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            "string" => Some("a string"),
            "boolean" => Some("true or false"),
            "array" => Some("a list"),
            "object" => Some("an object"),
            _ => None,
        }
    }
}

fn unknown_input(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("is not an input of this tool; did you mean {near}?"),
        None if known.is_empty() => "is not known here".to_owned(),
        None => format!("is not an input of this tool, which takes {}", known.join(", ")),
    }
}

fn limit_message(kind: &ValidationErrorKind, error: &jsonschema::ValidationError<'_>) -> String {
    let given = shown(error.instance());
    match kind {
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}, not {given}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}, not {given}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be more than {limit}, not {given}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be less than {limit}, not {given}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}, not {given}"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} elements"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} elements"),
        ValidationErrorKind::UniqueItems => "must not have the same element twice".to_owned(),
        ValidationErrorKind::Pattern { pattern } => format!("must match the pattern {pattern}, and {given} doesn't"),
        ValidationErrorKind::Format { format } => format!("must be a {format}, not {given}"),
        _ => format!("does not fit its schema ({})", kind.keyword()),
    }
}

/// What JSON allows and SQLite can't hold: integers beyond 64 bits, texts with NUL, texts beyond any column.
fn beyond_sqlite(path: &str, value: &Value, problems: &mut Vec<Problem>) {
    let mut problem = |message: &str| {
        problems.push(Problem { path: path.to_owned(), message: message.to_owned() });
    };
    match value {
        Value::String(text) if text.contains('\0') => problem("must not contain the NUL character"),
        Value::String(text) if text.len() > STRING_BYTES_MAX => problem("is longer than 64 KiB"),
        Value::Number(number) if number.is_u64() && number.as_i64().is_none() => problem("is too large a number"),
        Value::Number(number) if number.as_f64().is_some_and(|real| number.is_f64() && real.abs() > 9e15) => {
            problem("is too large a number");
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                beyond_sqlite(&format!("{path}[{index}]"), element, problems);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                beyond_sqlite(&path, member, problems);
            }
        }
        _ => {}
    }
}

/// The schema as agents see it: without our own keywords, and closed, so that a misspelt input is reported, not ignored.
fn served(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut served: Map<String, Value> = members
                .iter()
                .filter(|(keyword, _)| keyword.as_str() != SOURCE_KEYWORD)
                .map(|(keyword, member)| (keyword.clone(), served_member(keyword, member)))
                .collect();
            if members.get("type").and_then(Value::as_str) == Some("object") {
                served.entry("properties").or_insert_with(|| Value::Object(Map::new()));
                served.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            Value::Object(served)
        }
        other => other.clone(),
    }
}

fn served_member(keyword: &str, member: &Value) -> Value {
    match (keyword, member) {
        ("properties", Value::Object(properties)) => {
            Value::Object(properties.iter().map(|(name, property)| (name.clone(), served(property))).collect())
        }
        ("items", items) => served(items),
        (_, other) => other.clone(),
    }
}

fn is_integer(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("integer")
}

/// The SQL value of a JSON value: booleans as 0 and 1, lists and objects as JSON text.
pub(crate) fn to_sql(value: &Value, integer: bool) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(flag) => SqlValue::Integer(i64::from(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => SqlValue::Integer(whole),
            // JSON Schema counts 5.0 as an integer; its size is checked before.
            #[expect(clippy::cast_possible_truncation, reason = "within 2^53, checked by beyond_sqlite")]
            (None, Some(real)) if integer => SqlValue::Integer(real as i64),
            (None, Some(real)) => SqlValue::Real(real),
            (None, None) => SqlValue::Null,
        },
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => SqlValue::Text(value.to_string()),
    }
}

/// `/lines/2/quantity` as `lines[2].quantity`.
fn readable(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part);
        }
    }
    path
}

fn shown(value: &Value) -> String {
    const LENGTH_MAX: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LENGTH_MAX {
        return text;
    }
    let start: String = text.chars().take(LENGTH_MAX).collect();
    format!("{start}...")
}

fn listed(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
