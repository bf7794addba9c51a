//! Rows of other actors: a call may neither show nor change them.
//!
//! *Changed*: after a call that commits, the rows of each private table it may write are compared with those before. A row that the
//! actor could not see must be there as it was, and no row may appear that the actor can't see.
//!
//! *Shown*, by key: a result column that is the key of a private table (SQLite tells where a result column comes from) may hold
//! only keys of rows that the actor may see before or after the call. [`super::marks`] looks for everything else of such rows.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::corpus::{Entry, single_key};
use super::judge::{Findings, Place, told};
use super::rows::{Reader, Rows};
use crate::database::Overlay;
use crate::engine::environment::{Environment, Tool};
use crate::engine::snapshot::{Row, row_json};
use crate::engine::state::{Conditions, State, budget};
use crate::package::diagnostic::Code;

/// A result column that holds the key of a private table.
#[derive(Debug)]
struct KeyColumn {
    member: String,
    column: String,
    table: usize,
    line: usize,
}

/// A call that was made, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'m> {
    pub environment: &'m Environment,
    pub reader: &'m Reader,
    /// Index of the tool.
    pub index: usize,
    pub tool: &'m Tool,
    /// Where it was made.
    pub entry: &'m Arc<Entry>,
    pub arguments: &'m Map<String, Value>,
    /// Where it led, if it changed something.
    pub child: Option<&'m Arc<Entry>>,
}

/// What each tool may neither show nor change.
#[derive(Debug, Default)]
pub(super) struct Private {
    /// For each tool, result columns that are keys.
    keys: Vec<Vec<KeyColumn>>,
    /// For each tool, private tables that it may write.
    written: Vec<Vec<usize>>,
}

impl Private {
    /// Reads off the tools' SQL what has to be watched.
    pub(super) fn new(environment: &Environment) -> Self {
        let written = |tool: &Tool| {
            let private = environment.private().keys().filter(|table| tool.written_tables().contains(table));
            private.copied().filter(|table| !crosses(environment, tool, *table)).collect()
        };
        Self {
            keys: environment.tools().values().map(|tool| key_columns(environment, tool)).collect(),
            written: environment.tools().values().map(written).collect(),
        }
    }

    /// Reports keys of rows that the actor may not see.
    pub(super) fn shown(&self, made: &Made<'_>, result: &Value, findings: &mut Findings) {
        let Made { environment, reader, index, tool, entry, arguments, child } = *made;
        for watched in &self.keys[index] {
            let Some(member) = result.get(&watched.member) else { continue };
            let rows = match member {
                Value::Array(rows) => rows.as_slice(),
                other => std::slice::from_ref(other),
            };
            for row in rows {
                let cell = if row.is_object() { row.get(&watched.column) } else { Some(row) };
                let Some(key) = cell.and_then(single_key) else { continue };
                let seen = [Some(entry), child]
                    .into_iter()
                    .flatten()
                    .map(|entry| entry.rows(environment, reader, watched.table).find(&key).map(|(_, mine)| mine));
                let seen: Vec<bool> = seen.flatten().collect();
                if !seen.is_empty() && !seen.contains(&true) {
                    let name = &environment.catalog().tables[watched.table].name;
                    let place = Place { tool: index, what: name, line: watched.line };
                    findings.add(Code::PrivateRowsShown, place, entry.depth, || {
                        let shown = cell.map(Value::to_string).unwrap_or_default();
                        let column = format!("{}.{}", watched.member, watched.column);
                        format!(
                            "{}: {column} shows row {shown} of {name}, which is not the actor's to see",
                            told(tool, entry, arguments)
                        )
                    });
                }
            }
        }
    }

    /// Reports rows of others that differ after a call.
    pub(super) fn changed(&self, made: &Made<'_>, findings: &mut Findings) {
        let Made { environment, reader, index, tool, entry, arguments, child } = *made;
        let Some(child) = child else { return };
        for table in &self.written[index] {
            let before = entry.rows(environment, reader, *table);
            let after = child.rows(environment, reader, *table);
            let Some((what, row)) = difference(&before, &after) else { continue };
            let table = &environment.catalog().tables[*table];
            let place = Place { tool: index, what: &table.name, line: tool.line() };
            findings.add(Code::PrivateRowsChanged, place, entry.depth, || {
                let row = row_json(table, row);
                format!(
                    "{}: {what} a row of {} that is not the actor's: {row}",
                    told(tool, entry, arguments),
                    table.name
                )
            });
        }
    }
}

/// The first row of others that differs, and how.
fn difference<'r>(before: &'r Rows, after: &'r Rows) -> Option<(&'static str, &'r Row)> {
    for (index, row) in before.rows.iter().enumerate().filter(|(index, _)| !before.is_mine(*index)) {
        // Most rows are where and as they were.
        if after.rows.get(index).is_some_and(|now| Arc::ptr_eq(now, row)) {
            continue;
        }
        match after.find(&before.key(index)) {
            None => return Some(("removes", row)),
            Some((now, _)) if *now != **row => return Some(("changes", now)),
            Some(_) => {}
        }
    }
    let mut others = after.rows.iter().enumerate().filter(|(index, _)| !after.is_mine(*index));
    let is_new = |index: usize, row: &Arc<Row>| {
        let stayed = before.rows.get(index).is_some_and(|was| Arc::ptr_eq(was, row));
        !stayed && before.index(&after.key(index)).is_none()
    };
    others.find(|(index, row)| is_new(*index, row)).map(|(_, row)| ("adds", &**row))
}

/// Whether a tool declares that it crosses into a private table.
pub(super) fn crosses(environment: &Environment, tool: &Tool, table: usize) -> bool {
    tool.crosses().contains(&environment.catalog().tables[table].name)
}

fn key_columns(environment: &Environment, tool: &Tool) -> Vec<KeyColumn> {
    let conditions = Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null };
    let moment = State::default().moment(&conditions);
    let Ok(bound) = environment.pool().bind(&Overlay::default(), moment, budget(None)) else {
        return Vec::new();
    };
    let catalog = environment.catalog();
    let mut keys = Vec::new();
    for member in &tool.program().members {
        let Ok(info) = bound.describe(&member.query.sql) else { continue };
        for column in info.columns {
            let Some(origin) = column.origin else { continue };
            let Some(table) = catalog.table(&origin.table) else { continue };
            let is_key = matches!(catalog.tables[table].key.as_slice(), [key] if catalog.tables[table].columns[*key].eq_ignore_ascii_case(&origin.column));
            if is_key && environment.private().contains_key(&table) && !crosses(environment, tool, table) {
                keys.push(KeyColumn {
                    member: member.name.clone(),
                    column: column.name,
                    table,
                    line: member.query.line,
                });
            }
        }
    }
    keys
}
