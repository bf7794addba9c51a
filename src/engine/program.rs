//! Programs: the behaviour of a tool, compiled from its SQL.
//!
//! Compiling resolves every `:parameter` to a slot, so that a call binds by position, and reports everything that is wrong
//! with the SQL as diagnostics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::output::{Column, ColumnType, JsonType};
use crate::database::{Bound, ColumnInfo, Operation, StatementInfo};
use crate::package::TOOLS_FILE;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{At, ReturnFile, StepFile, ToolFile};

/// Slot of `:actor`.
pub(crate) const ACTOR_SLOT: usize = 0;
/// Parameters that every call has, in the order of their slots: the signed-in actor's id, virtual time, the arguments as JSON.
pub(crate) const CONTEXT: [&str; 3] = ["actor", "now", "args"];
/// Slot of `:args`.
pub(crate) const ARGUMENTS_SLOT: usize = 2;
/// Slot of the first input.
pub(crate) const INPUTS_SLOT: usize = CONTEXT.len();

/// The behaviour of one tool.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Names of the slots: context, inputs, then the columns of `let` steps.
    pub slots: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What is returned.
    pub members: Vec<Member>,
    /// Tables that a call may write, triggers and foreign-key actions included, and how.
    pub writes: BTreeMap<String, BTreeSet<Operation>>,
    /// True where some SQL names `:args`, which is then worth building.
    pub uses_arguments: bool,
}

impl Program {
    /// True for a tool that can't change anything.
    pub(crate) fn read_only(&self) -> bool {
        self.writes.is_empty()
    }
}

/// One SQL statement with the slots its parameters are bound from.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The statement.
    pub sql: Arc<str>,
    /// Slot of each parameter, in the order of SQLite's parameter numbers.
    pub slots: Vec<usize>,
    /// Line in tools.yaml.
    pub line: usize,
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The step is skipped where this isn't true.
    pub when: Option<Query>,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Refuses the call unless the condition holds.
    Guard { query: Query, refusal: Refusal },
    /// Binds the columns of exactly one row.
    Let { query: Query, into: Vec<usize> },
    /// Writes.
    Run { query: Query },
}

/// How a guard refuses.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// Stable name.
    pub code: String,
    /// The text, in pieces.
    pub template: Vec<Piece>,
    /// Line in tools.yaml.
    pub line: usize,
}

/// A piece of a refusal's text.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// As written.
    Text(String),
    /// The value in a slot.
    Slot(usize),
}

/// One member of a tool's result.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub query: Query,
    /// How its rows become JSON.
    pub shape: Shape,
    /// Its columns; of a value, the first counts.
    pub columns: Vec<Column>,
}

/// How the rows of a member become JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One row as an object.
    Row {
        /// No row is null rather than a fault.
        optional: bool,
    },
    /// A list of objects.
    Rows,
    /// One cell.
    Value,
}

/// Compiles a tool's program, reporting every defect into `findings`. The result is usable only where none was reported.
pub(crate) fn compile(
    tool: &ToolFile,
    inputs: &[String],
    bound: &Bound<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Program {
    let mut slots: Vec<String> = CONTEXT.map(str::to_owned).into();
    slots.extend(inputs.iter().cloned());
    let mut compiler =
        Compiler { tool: &tool.name, bound, slots, used: BTreeSet::new(), writes: BTreeMap::new(), findings };
    for input in inputs {
        if CONTEXT.contains(&input.as_str()) {
            let message = format!("the input {input} hides the parameter :{input} that every call has");
            compiler.report(Code::NameDuplicate, tool.input_schema.line, message);
        }
    }
    let steps = tool.program.iter().filter_map(|step| compiler.step(step)).collect();
    let members = tool.returns.iter().filter_map(|(name, output)| compiler.member(name, output)).collect();
    compiler.unused_inputs(inputs, tool.input_schema.line);
    Program {
        uses_arguments: compiler.used.contains(&ARGUMENTS_SLOT),
        slots: compiler.slots,
        steps,
        members,
        writes: compiler.writes,
    }
}

struct Compiler<'c, 'p> {
    tool: &'c str,
    bound: &'c Bound<'p>,
    slots: Vec<String>,
    used: BTreeSet<usize>,
    writes: BTreeMap<String, BTreeSet<Operation>>,
    findings: &'c mut Vec<Diagnostic>,
}

impl Compiler<'_, '_> {
    fn report(&mut self, code: Code, line: usize, message: impl AsRef<str>) {
        let message = format!("{}: {}", self.tool, message.as_ref());
        self.findings.push(Diagnostic::new(code, TOOLS_FILE, line, message));
    }

    fn step(&mut self, step: &StepFile) -> Option<Step> {
        let when = match &step.when {
            Some(sql) => Some(self.read(sql)?.0),
            None => None,
        };
        let action = match step {
            StepFile { guard: Some(sql), code: Some(code), error: Some(error), .. } => {
                let (query, _) = self.read(sql)?;
                let refusal = Refusal { code: code.value.clone(), template: self.template(error), line: code.line };
                Action::Guard { query, refusal }
            }
            StepFile { bind: Some(sql), .. } => self.bind(sql)?,
            StepFile { run: Some(sql), .. } => self.run(sql)?,
            // Reported by package::checks::steps.
            _ => return None,
        };
        Some(Step { when, action })
    }

    fn bind(&mut self, sql: &At<String>) -> Option<Action> {
        let (query, info) = self.read(sql)?;
        let mut into = Vec::new();
        for column in &info.columns {
            if self.slots.contains(&column.name) {
                let message =
                    format!("the column {} of a let is already a parameter; name it otherwise with AS", column.name);
                self.report(Code::ColumnName, sql.line, message);
            } else if !plain_name(&column.name) {
                let message = format!("the column {:?} of a let needs a plain name", column.name);
                self.report(Code::ColumnName, sql.line, message);
            }
            into.push(self.slots.len());
            self.slots.push(column.name.clone());
        }
        Some(Action::Let { query, into })
    }

    fn run(&mut self, sql: &At<String>) -> Option<Action> {
        let (query, info) = self.query(sql)?;
        if info.readonly {
            self.report(Code::WriteMissing, sql.line, "a run step changes nothing");
        }
        for used in info.tables.iter().filter(|used| used.operation != Operation::Read) {
            self.writes.entry(used.table.clone()).or_default().insert(used.operation);
        }
        Some(Action::Run { query })
    }

    fn member(&mut self, name: &str, output: &At<ReturnFile>) -> Option<Member> {
        let (sql, shape) = match &output.value {
            ReturnFile { row: Some(sql), optional, .. } => (sql, Shape::Row { optional: *optional }),
            ReturnFile { rows: Some(sql), .. } => (sql, Shape::Rows),
            ReturnFile { single: Some(sql), .. } => (sql, Shape::Value),
            // Reported by package::checks::steps.
            _ => return None,
        };
        let (query, info) = self.read(sql)?;
        let columns = self.columns(&info, output, shape);
        Some(Member { name: name.to_owned(), query, shape, columns })
    }

    fn columns(&mut self, info: &StatementInfo, output: &At<ReturnFile>, shape: Shape) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for found in &info.columns {
            if shape != Shape::Value
                && (!plain_name(&found.name) || columns.iter().any(|column| column.name == found.name))
            {
                let message = format!("the column {:?} of the result needs a plain name of its own", found.name);
                self.report(Code::ColumnName, output.line, message);
            }
            let declared =
                if shape == Shape::Value { output.value_type.as_ref() } else { output.types.get(&found.name) };
            let json = output.json.iter().any(|name| name.value == found.name);
            columns.push(self.column(found, declared, json));
        }
        let named = output.json.iter().chain(output.types.iter().map(|(_, named)| named));
        let lines: Vec<usize> = named.map(|named| named.line).collect();
        let names = output.json.iter().map(|name| &name.value).chain(output.types.keys());
        for (name, line) in names.zip(lines) {
            if !columns.iter().any(|column| &column.name == name) {
                self.report(Code::TypeInvalid, line, format!("the result has no column {name}"));
            }
        }
        columns
    }

    fn column(&mut self, found: &ColumnInfo, declared: Option<&At<String>>, json: bool) -> Column {
        let sql_type = found.origin.as_ref().and_then(|origin| origin.declared_type.as_deref());
        let declared_types = match sql_type.and_then(JsonType::declared) {
            _ if json => vec![JsonType::Array, JsonType::Object],
            Some(json_type) => vec![json_type],
            None => Vec::new(),
        };
        let mut column_type =
            ColumnType { inferred: declared_types.is_empty(), types: declared_types, nullable: found.nullable };
        if let Some(text) = declared {
            match JsonType::parse(text) {
                Some((json_type, nullable)) => {
                    column_type = ColumnType { types: vec![json_type], nullable, inferred: false };
                }
                None => self.report(Code::TypeInvalid, text.line, format!("{:?} is no type", text.value)),
            }
        }
        Column {
            name: found.name.clone(),
            json,
            boolean: !json && column_type.types == [JsonType::Boolean],
            column_type,
        }
    }

    /// A statement that may only read.
    fn read(&mut self, sql: &At<String>) -> Option<(Query, StatementInfo)> {
        let (query, info) = self.query(sql)?;
        if !info.readonly {
            self.report(Code::WriteNotAllowed, sql.line, "writes where only run steps may");
            return None;
        }
        if info.columns.is_empty() {
            self.report(Code::SqlInvalid, sql.line, "gives no columns; only run steps may");
            return None;
        }
        Some((query, info))
    }

    fn query(&mut self, sql: &At<String>) -> Option<(Query, StatementInfo)> {
        let info = match self.bound.describe(sql) {
            Ok(info) => info,
            Err(err) => {
                let finding = super::sql_finding(&err, TOOLS_FILE, sql.line, self.tool);
                self.findings.push(finding);
                return None;
            }
        };
        if info.uses_local_time {
            self.report(Code::SqlUsesHostTime, sql.line, "uses localtime or utc");
        }
        let mut slots = Vec::new();
        for parameter in &info.parameters {
            let parameter = parameter.strip_prefix(':').unwrap_or(parameter);
            match self.slots.iter().position(|slot| slot == parameter) {
                Some(slot) => {
                    self.used.insert(slot);
                    slots.push(slot);
                }
                None => {
                    let near = super::nearest(parameter, self.slots.iter().map(String::as_str));
                    let near = near.map(|near| format!("; did you mean :{near}?")).unwrap_or_default();
                    self.report(Code::ParameterUnknown, sql.line, format!("nothing provides :{parameter}{near}"));
                    slots.push(ACTOR_SLOT);
                }
            }
        }
        let query = Query { sql: Arc::from(sql.trim()), slots, line: sql.line };
        Some((query, info))
    }

    fn template(&mut self, error: &At<String>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = error.trim();
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { break };
            let name = &rest[start + 1..start + length];
            pieces.push(Piece::Text(rest[..start].to_owned()));
            match self.slots.iter().position(|slot| slot == name) {
                Some(slot) => pieces.push(Piece::Slot(slot)),
                None => {
                    self.report(Code::ParameterUnknown, error.line, format!("nothing provides {{{name}}} of the error"))
                }
            }
            rest = &rest[start + length + 1..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces
    }

    fn unused_inputs(&mut self, inputs: &[String], line: usize) {
        for (index, input) in inputs.iter().enumerate() {
            // A program that reads :args as a whole may pick any input out of it.
            if !self.used.contains(&(INPUTS_SLOT + index)) && !self.used.contains(&ARGUMENTS_SLOT) {
                self.report(Code::InputUnused, line, format!("no SQL uses the input {input}"));
            }
        }
    }
}

fn plain_name(name: &str) -> bool {
    crate::id::is_snake_case(name)
}
