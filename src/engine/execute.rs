//! Executing a program: bind, step, return, all in one transaction that a refusal or a fault rolls back.

use rusqlite::types::Value as SqlValue;
use rusqlite::{CachedStatement, Row};

use super::output::{JsonText, JsonWriter, OutputError};
use super::program::{Action, Member, Piece, Program, Query, Refusal, Shape};
use crate::database::{Bound, DatabaseError, Stop};

/// Most rows of one list in a result. An agent reads results; a list of more is a missing `limit`.
pub(crate) const ROWS_MAX: usize = 1_000;

/// Largest result in bytes, counted as texts and 16 bytes for each cell: about what fits an agent's context.
pub(crate) const RESULT_BYTES_MAX: usize = 512 << 10;

/// Longest value that a refusal quotes, in characters.
const QUOTED_LENGTH_MAX: usize = 200;

/// What came of executing a program.
#[derive(Debug)]
pub(crate) enum Executed {
    /// It ran to its end and was committed.
    Completed {
        /// The result: a JSON object.
        result: JsonText,
        /// Whether it changed any row.
        changed: bool,
        /// The steps it skipped.
        skipped: Skipped,
    },
    /// A guard or a limit refused it; nothing was changed.
    Rejected {
        /// Index of the guard's step; none for a limit.
        step: Option<usize>,
        /// Stable name.
        code: String,
        /// What the agent reads.
        message: String,
        /// The steps it skipped before.
        skipped: Skipped,
    },
}

/// Steps that were skipped because their `when` wasn't true: one bit each, for the first 64. Only walks look at it.
pub(crate) type Skipped = u64;

/// Why a program could not be executed to a regular end.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ExecuteError {
    /// The environment's defect.
    #[error("line {line}: {message}")]
    Fault {
        /// Line of tools.yaml.
        line: usize,
        /// What happened.
        message: String,
    },
    /// The call's deadline passed: neither the agent's nor the environment's doing, so never an observation.
    #[error("the call's deadline passed")]
    Deadline,
}

impl From<DatabaseError> for ExecuteError {
    fn from(err: DatabaseError) -> Self {
        Self::Fault { line: 0, message: err.to_string() }
    }
}

/// What stopped a program before its end, inside.
enum Halt {
    Refused { step: usize },
    Limit { code: &'static str, message: String },
    Error(ExecuteError),
}

impl From<ExecuteError> for Halt {
    fn from(err: ExecuteError) -> Self {
        Self::Error(err)
    }
}

/// Executes `program` with `slots` (context and inputs; those of `let` steps are filled in) in a transaction of its own. One
/// that only reads needs none: there is nothing to undo and nobody else who could write between its statements.
pub(crate) fn execute(
    program: &Program,
    bound: &mut Bound<'_>,
    mut slots: Vec<SqlValue>,
) -> Result<Executed, ExecuteError> {
    slots.resize(program.slots.len(), SqlValue::Null);
    let writes = program.steps.iter().any(|step| matches!(step.action, Action::Run { .. }));
    if writes {
        bound.begin()?;
    }
    let mut skipped = 0;
    match run(program, bound, &mut slots, &mut skipped) {
        Ok(result) => {
            if writes {
                bound.commit()?;
            }
            let changed = writes && bound.total_changes() > 0;
            Ok(Executed::Completed { result, changed, skipped })
        }
        Err(halt) => {
            bound.rollback();
            rejected(program, halt, &slots, skipped)
        }
    }
}

fn rejected(program: &Program, halt: Halt, slots: &[SqlValue], skipped: Skipped) -> Result<Executed, ExecuteError> {
    match halt {
        Halt::Error(err) => Err(err),
        Halt::Limit { code, message } => Ok(Executed::Rejected { step: None, code: code.to_owned(), message, skipped }),
        Halt::Refused { step } => match program.steps.get(step).map(|step| &step.action) {
            Some(Action::Guard { refusal, .. }) => Ok(Executed::Rejected {
                step: Some(step),
                code: refusal.code.clone(),
                message: message(refusal, slots),
                skipped,
            }),
            _ => Err(ExecuteError::Fault { line: 0, message: "a step that is no guard refused".to_owned() }),
        },
    }
}

fn run(program: &Program, bound: &Bound<'_>, slots: &mut [SqlValue], skipped: &mut Skipped) -> Result<JsonText, Halt> {
    for (index, step) in program.steps.iter().enumerate() {
        if let Some(when) = &step.when
            && !condition(when, bound, slots)?
        {
            *skipped |= u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or(0);
            continue;
        }
        match &step.action {
            Action::Guard { query, .. } => {
                if !condition(query, bound, slots)? {
                    return Err(Halt::Refused { step: index });
                }
            }
            Action::Let { query, into } => bind_row(query, into, bound, slots)?,
            Action::Run { query } => {
                let mut statement = prepared(query, bound, slots)?;
                statement.raw_execute().map_err(|err| halt(&err, query, bound))?;
            }
        }
    }
    let mut result = JsonWriter::new();
    let mut bytes = 0;
    let mut before = "{";
    for member in &program.members {
        result.raw(before);
        before = ",";
        result.key(&member.name);
        write_member(member, bound, slots, &mut result, &mut bytes)?;
    }
    result.raw(if before == "{" { "{}" } else { "}" });
    Ok(result.finish())
}

fn prepared<'b>(query: &Query, bound: &'b Bound<'_>, slots: &[SqlValue]) -> Result<CachedStatement<'b>, Halt> {
    let mut statement = bound.prepare(&query.sql).map_err(|err| halt(&err, query, bound))?;
    for (index, slot) in query.slots.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, &slots[*slot]).map_err(|err| halt(&err, query, bound))?;
    }
    Ok(statement)
}

fn condition(query: &Query, bound: &Bound<'_>, slots: &[SqlValue]) -> Result<bool, Halt> {
    let mut statement = prepared(query, bound, slots)?;
    let mut rows = statement.raw_query();
    let row = rows.next().map_err(|err| halt(&err, query, bound))?;
    let truth = match row {
        None => false,
        Some(row) => truthy(&row.get::<_, SqlValue>(0).map_err(|err| halt(&err, query, bound))?),
    };
    Ok(truth)
}

/// SQL's own idea of truth: not NULL, and not 0 as a number.
pub(crate) fn truthy(value: &SqlValue) -> bool {
    match value {
        SqlValue::Null | SqlValue::Blob(_) => false,
        SqlValue::Integer(number) => *number != 0,
        SqlValue::Real(number) => *number != 0.0,
        SqlValue::Text(text) => text.trim().parse::<f64>().is_ok_and(|number| number != 0.0),
    }
}

fn bind_row(query: &Query, into: &[usize], bound: &Bound<'_>, slots: &mut [SqlValue]) -> Result<(), Halt> {
    let mut statement = prepared(query, bound, slots)?;
    let mut rows = statement.raw_query();
    let mut found = false;
    while let Some(row) = rows.next().map_err(|err| halt(&err, query, bound))? {
        if found {
            return Err(fault(query, "a let gave more than one row"));
        }
        found = true;
        for (column, slot) in into.iter().enumerate() {
            slots[*slot] = row.get(column).map_err(|err| halt(&err, query, bound))?;
        }
    }
    if found { Ok(()) } else { Err(fault(query, "a let gave no row")) }
}

fn write_member(
    member: &Member,
    bound: &Bound<'_>,
    slots: &[SqlValue],
    result: &mut JsonWriter,
    bytes: &mut usize,
) -> Result<(), Halt> {
    let query = &member.query;
    let mut statement = prepared(query, bound, slots)?;
    let mut rows = statement.raw_query();
    let mut count = 0;
    if member.shape == Shape::Rows {
        result.raw("[");
    }
    while let Some(row) = rows.next().map_err(|err| halt(&err, query, bound))? {
        if member.shape != Shape::Rows && count > 0 {
            return Err(fault(query, "gave more than one row"));
        }
        if count == ROWS_MAX {
            return Err(too_large(&format!("{} has more than {ROWS_MAX} rows", member.name)));
        }
        if count > 0 {
            result.raw(",");
        }
        write_row(member, row, bound, result, bytes)?;
        count += 1;
        if *bytes > RESULT_BYTES_MAX {
            return Err(too_large(&format!("it has more than {RESULT_BYTES_MAX} bytes")));
        }
    }
    match member.shape {
        Shape::Rows => result.raw("]"),
        Shape::Row { optional: true } if count == 0 => result.raw("null"),
        Shape::Row { .. } | Shape::Value if count == 0 => return Err(fault(query, "gave no row")),
        Shape::Row { .. } | Shape::Value => {}
    }
    Ok(())
}

fn write_row(
    member: &Member,
    row: &Row<'_>,
    bound: &Bound<'_>,
    result: &mut JsonWriter,
    bytes: &mut usize,
) -> Result<(), Halt> {
    const CELL_BYTES: usize = 16;
    let query = &member.query;
    let single = member.shape == Shape::Value;
    let columns = if single { &member.columns[..1] } else { &member.columns };
    for (index, column) in columns.iter().enumerate() {
        let cell = row.get_ref(index).map_err(|err| halt(&err, query, bound))?;
        *bytes += CELL_BYTES + cell.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
        if !single {
            result.raw(if index == 0 { "{" } else { "," });
            result.key(&column.name);
        }
        column.write(cell, result).map_err(|err: OutputError| fault(query, &err.to_string()))?;
    }
    if !single {
        result.raw("}");
    }
    Ok(())
}

fn too_large(what: &str) -> Halt {
    Halt::Limit {
        code: "result_too_large",
        message: format!("the result is too large: {what}; ask for less with a filter or a limit"),
    }
}

fn fault(query: &Query, message: &str) -> Halt {
    Halt::Error(ExecuteError::Fault { line: query.line, message: format!("{message}: {}", query.sql) })
}

fn halt(err: &rusqlite::Error, query: &Query, bound: &Bound<'_>) -> Halt {
    match bound.stop_reason() {
        Some(Stop::Deadline) => Halt::Error(ExecuteError::Deadline),
        Some(Stop::Steps) => Halt::Limit {
            code: "too_much_work",
            message: "the call needs more work than a call may do; nothing was changed; ask for less".to_owned(),
        },
        Some(Stop::Pages) => Halt::Limit {
            code: "storage_full",
            message: "the episode has no room for more data; nothing was changed".to_owned(),
        },
        None => fault(query, &err.to_string()),
    }
}

fn message(refusal: &Refusal, slots: &[SqlValue]) -> String {
    let mut message = String::new();
    for piece in &refusal.template {
        match piece {
            Piece::Text(text) => message.push_str(text),
            Piece::Slot(slot) => message.push_str(&quoted(&slots[*slot])),
        }
    }
    message
}

fn quoted(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => "(none)".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => number.to_string(),
        SqlValue::Text(text) if text.chars().count() > QUOTED_LENGTH_MAX => {
            let start: String = text.chars().take(QUOTED_LENGTH_MAX).collect();
            format!("{start}...")
        }
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(_) => "(data)".to_owned(),
    }
}
