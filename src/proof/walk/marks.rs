//! Whether a call shows anything of rows that its actor may not see: by marking those rows.
//!
//! For one actor, every cell of the initial database that lies in a private row hidden from that actor gets a mark: texts end in a
//! marker of their own, numbers become huge ones of their own. Then the actor calls the tools on that database. A mark in an
//! observation has flowed there from a hidden cell, whatever way it took, so it is a finding, unless the row has meanwhile become
//! visible, the tool `crosses` into the table, or an earlier call did.
//!
//! Not marked, since programs may rightly depend on them or could not run: keys, references, unique columns, dates, JSON, and whatever a
//! CHECK restricts (a mark that a constraint refuses isn't made). So what is never seen is a leak of nothing but such cells, a
//! leak through a full-text index that copies its texts, a text cut off before its end, and mere numbers of rows.
//!
//! The marked database is no state of the package: faults and refusals in it mean nothing by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, MAIN_DB};
use serde_json::Value;

use super::corpus::Entry;
use super::judge::{Findings, Place, told};
use super::private::{Made, crosses};
use super::rows::Reader;
use super::texts;
use crate::database::{Overlay, open_bytes};
use crate::engine::catalog::{Table, quote};
use crate::engine::environment::Environment;
use crate::engine::snapshot::{Cell, Key};
use crate::engine::state::{Observation, State};
use crate::package::diagnostic::Code;

/// What markers begin and end with: letters and digits, so that they survive changes of case and full-text search.
const MARKER: &str = "zq";

/// The least of the marking numbers. They are whole, so no REAL column blurs them, and a thousand of them can be summed.
const NUMBER_LEAST: i64 = 4_000_000_000_000_000;

/// Numbers from here on are taken to be computed from marks: no sum, quotient by 100 or difference of real data is as large.
const NUMBER_COMPUTED: f64 = 1e12;

/// Most rows of a table that get marks of their own.
const ROWS_MAX: usize = 1_000_000;

/// The marks in one actor's database.
#[derive(Debug)]
pub(super) struct Marks {
    /// The keys of the rows of each table, by which marks name them.
    keys: BTreeMap<usize, Vec<Key>>,
}

/// Whether a cell holds a mark.
pub(super) fn is_marked(cell: &Cell) -> bool {
    match cell {
        Cell::Text(text) => !markers(text).is_empty(),
        Cell::Integer(number) => *number >= NUMBER_LEAST,
        Cell::Real(bits) => f64::from_bits(*bits) >= NUMBER_COMPUTED,
        Cell::Null | Cell::Blob(_) => false,
    }
}

/// The initial state with marks in everything that the actor of `start` may not see. None where there is nothing to mark.
pub(super) fn marked(environment: &Environment, reader: &Reader, start: &Arc<Entry>) -> Option<(State, Marks)> {
    let mut copy = open_bytes(environment.image().bytes()).ok()?;
    copy.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).ok()?;
    let mut marks = Marks { keys: BTreeMap::new() };
    for index in environment.private().keys() {
        let rows = start.rows(environment, reader, *index);
        let table = &environment.catalog().tables[*index];
        let mut marked = false;
        for row in (0..rows.rows.len()).filter(|row| !rows.is_mine(*row)) {
            let key = rows.key(row);
            for column in free_columns(table) {
                if let Some(value) = mark(&rows.rows[row][column], *index, row) {
                    marked |= write(&copy, table, column, &key, &value);
                }
            }
        }
        if marked {
            marks.keys.insert(*index, (0..rows.rows.len()).map(|row| rows.key(row)).collect());
        }
    }
    if marks.keys.is_empty() {
        return None;
    }
    rebuild_full_text(&copy).ok()?;
    let bytes = copy.serialize(MAIN_DB).ok()?;
    let state = State { overlay: Overlay::from_bytes(environment.image(), &bytes), ..State::default() };
    Some((state, marks))
}

/// Columns that no key, reference or unique set contains.
fn free_columns(table: &Table) -> impl Iterator<Item = usize> {
    let referring = table.references.iter().flat_map(|reference| &reference.columns);
    let bound: Vec<usize> = table.key.iter().chain(table.unique.iter().flatten()).chain(referring).copied().collect();
    (0..table.columns.len()).filter(move |column| !bound.contains(column))
}

fn mark(cell: &Cell, table: usize, row: usize) -> Option<SqlValue> {
    let number = || {
        let row = i64::try_from(row).ok().filter(|_| row < ROWS_MAX)?;
        Some(NUMBER_LEAST + i64::try_from(table * ROWS_MAX).ok()? + row)
    };
    match cell {
        Cell::Text(text) if texts::parse_time(text).is_some() || text.starts_with(['[', '{']) => None,
        Cell::Text(text) => Some(SqlValue::Text(format!("{text}{MARKER}{table}x{row}{MARKER}"))),
        Cell::Integer(_) => number().map(SqlValue::Integer),
        #[expect(clippy::cast_precision_loss, reason = "the numbers are below 2^53")]
        Cell::Real(_) => number().map(|number| SqlValue::Real(number as f64)),
        Cell::Null | Cell::Blob(_) => None,
    }
}

/// Writes a mark; false where a constraint refuses it.
fn write(copy: &Connection, table: &Table, column: usize, key: &Key, value: &SqlValue) -> bool {
    let names: Vec<String> = if table.key.is_empty() {
        vec!["rowid".to_owned()]
    } else {
        table.key.iter().map(|column| quote(&table.columns[*column])).collect()
    };
    let conditions: Vec<String> =
        names.iter().enumerate().map(|(index, name)| format!("{name} = ?{}", index + 2)).collect();
    let sql = format!(
        "UPDATE {} SET {} = ?1 WHERE {}",
        quote(&table.name),
        quote(&table.columns[column]),
        conditions.join(" AND ")
    );
    let cells = key.iter().map(|cell| match cell {
        Cell::Integer(number) => SqlValue::Integer(*number),
        Cell::Real(bits) => SqlValue::Real(f64::from_bits(*bits)),
        Cell::Text(text) => SqlValue::Text(text.to_string()),
        Cell::Null | Cell::Blob(_) => SqlValue::Null,
    });
    let values: Vec<SqlValue> = std::iter::once(value.clone()).chain(cells).collect();
    let written =
        copy.prepare_cached(&sql).and_then(|mut statement| statement.execute(rusqlite::params_from_iter(values)));
    written.is_ok_and(|rows| rows == 1)
}

/// Full-text indexes over other tables must agree with what those hold now.
fn rebuild_full_text(copy: &Connection) -> rusqlite::Result<()> {
    for table in full_text_tables(copy)? {
        // Refused by an index that keeps its texts, or none: it hasn't been marked then.
        let name = quote(&table);
        let _ = copy.execute(&format!("INSERT INTO {name}({name}) VALUES ('rebuild')"), []);
    }
    Ok(())
}

/// Names of the full-text tables of a database.
pub(super) fn full_text_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%fts5%' ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The table and row that each marker in a text names.
fn markers(text: &str) -> Vec<(usize, usize)> {
    let text = text.to_lowercase();
    let parse = |piece: &str| {
        let (table, row) = piece.split_once('x')?;
        Some((table.parse().ok()?, row.parse().ok()?))
    };
    text.split(MARKER).filter_map(parse).collect()
}

/// Whether a result's text has a marker or a number so large in it: most have neither and needn't be looked at more closely.
fn may_hold_marks(text: &str) -> bool {
    const DIGITS: usize = 13;
    let bytes = text.as_bytes();
    let marker = MARKER.as_bytes();
    if bytes.windows(marker.len()).any(|window| window.eq_ignore_ascii_case(marker)) {
        return true;
    }
    let mut digits = 0;
    for byte in bytes {
        match byte {
            b'0'..=b'9' => digits += 1,
            // An exponent.
            b'e' | b'E' if digits > 0 => return true,
            _ => digits = 0,
        }
        if digits >= DIGITS {
            return true;
        }
    }
    false
}

fn numbers(value: &Value, found: &mut Vec<f64>) {
    match value {
        Value::Number(number) => found.extend(number.as_f64().filter(|number| number.abs() >= NUMBER_COMPUTED)),
        Value::Array(elements) => elements.iter().for_each(|element| numbers(element, found)),
        Value::Object(members) => members.values().for_each(|member| numbers(member, found)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

impl Marks {
    /// Reports marks in what a call shows.
    pub(super) fn check(&self, made: &Made<'_>, observation: &Observation, findings: &mut Findings) {
        let Made { environment, reader, index, tool, entry, arguments, child } = *made;
        let (text, found_numbers) = match observation {
            Observation::InvalidArguments { .. } => return,
            Observation::Rejected { message, .. } => {
                (message.clone(), texts::mentioned(message).iter().filter_map(Value::as_f64).collect())
            }
            Observation::Completed(result) if !may_hold_marks(result.as_str()) => return,
            Observation::Completed(result) => {
                let mut found = Vec::new();
                numbers(&result.value(), &mut found);
                (result.to_string(), found)
            }
        };
        let mut shown = markers(&text);
        let mut computed = false;
        for number in found_numbers {
            match self.row_of(number) {
                Some(row) => shown.push(row),
                None => computed |= number.abs() >= NUMBER_COMPUTED,
            }
        }
        if shown.is_empty() && !computed {
            return;
        }
        let given = Value::Object(arguments.clone()).to_string().to_lowercase();
        for (table, row) in shown {
            let Some(key) = self.keys.get(&table).and_then(|keys| keys.get(row)) else { continue };
            let name = &environment.catalog().tables[table].name;
            let echoed = given.contains(&format!("{MARKER}{table}x{row}{MARKER}"));
            if echoed || crosses(environment, tool, table) || entry.crossed.contains(name) {
                continue;
            }
            let visible =
                |entry: &Arc<Entry>| entry.rows(environment, reader, table).find(key).is_some_and(|(_, mine)| mine);
            if visible(entry) || child.is_some_and(visible) {
                continue;
            }
            let place = Place { tool: index, what: name, line: tool.line() };
            findings.add(Code::PrivateRowsShown, place, entry.depth, || {
                let key: Vec<String> = key.iter().map(|cell| cell.to_json().to_string()).collect();
                let by = if observation.is_error() { "its refusal tells of" } else { "its result tells of" };
                format!(
                    "{}: {by} row {} of {name}, which is not the actor's to see",
                    told(tool, entry, arguments),
                    key.join(", ")
                )
            });
        }
        // At the start every mark is hidden, so a number made from any of them tells of hidden rows.
        if computed && entry.depth == 0 && child.is_none() && tool.crosses().is_empty() {
            let place = Place { tool: index, what: "computed", line: tool.line() };
            findings.add(Code::PrivateRowsShown, place, entry.depth, || {
                format!(
                    "{}: a number it returns is computed from rows of private tables that are not the actor's to see",
                    told(tool, entry, arguments)
                )
            });
        }
    }

    fn row_of(&self, number: f64) -> Option<(usize, usize)> {
        let offset = usize::try_from(texts::whole(number).checked_sub(NUMBER_LEAST)?).ok()?;
        let (table, row) = (offset / ROWS_MAX, offset % ROWS_MAX);
        self.keys.get(&table).filter(|keys| row < keys.len()).map(|_| (table, row))
    }
}
