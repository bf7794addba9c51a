//! The rows of a database as values, and what changed between two of them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::ValueRef;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::catalog::Table;
use super::environment::Environment;
use super::state::{Conditions, State, budget};
use super::verify::JudgeError;

/// The value of a cell, with an order and a hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    /// Bits of an `f64`, ordered like the numbers among non-negative ones; only equality matters.
    Real(u64),
    Text(Box<str>),
    Blob(Box<[u8]>),
}

impl Cell {
    pub(crate) fn new(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number.to_bits()),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.into()),
        }
    }

    /// Equality as judging has it: REALs within 1e-6 of each other, relatively.
    pub(crate) fn same(&self, other: &Self) -> bool {
        const TOLERANCE: f64 = 1e-6;
        match (self, other) {
            (Self::Real(left), Self::Real(right)) => {
                let (left, right) = (f64::from_bits(*left), f64::from_bits(*right));
                (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
            }
            _ => self == other,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// True for text of at least one character that isn't white space.
    pub(crate) fn is_worded(&self) -> bool {
        matches!(self, Self::Text(text) if !text.trim().is_empty())
    }

    /// Adds the cell to a digest: what kind it is, how long it is, what it is.
    fn add_to(&self, digest: &mut Sha256) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Integer(number) => (1, &number.to_be_bytes()),
            Self::Real(bits) => (2, &bits.to_be_bytes()),
            Self::Text(text) => (3, text.as_bytes()),
            Self::Blob(bytes) => (4, bytes),
        };
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }

    /// The cell as JSON; a blob as its length.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::from(*number),
            Self::Real(bits) => Value::from(f64::from_bits(*bits)),
            Self::Text(text) => Value::from(&**text),
            Self::Blob(bytes) => Value::from(format!("({} bytes)", bytes.len())),
        }
    }
}

/// A key: the cells of the primary key, or the rowid.
pub(crate) type Key = Vec<Cell>;
/// A row: its cells in the order of the table's columns.
pub(crate) type Row = Vec<Cell>;
/// The rows of a table.
pub(crate) type Rows = BTreeMap<Key, Row>;
/// The rows of some tables, by table index.
pub(crate) type Snapshot = BTreeMap<usize, Rows>;

/// Reads the rows of `tables` in a state.
pub(crate) fn read(
    environment: &Environment,
    state: &State,
    conditions: &Conditions,
    tables: impl IntoIterator<Item = usize>,
) -> Result<Snapshot, JudgeError> {
    let bound = environment.pool().bind(&state.overlay, state.moment(conditions), budget(None))?;
    let mut snapshot = Snapshot::new();
    for index in tables {
        let table = &environment.catalog().tables[index];
        let mut statement = bound.prepare(&table.select)?;
        let mut rows = statement.raw_query();
        let mut read = Rows::new();
        while let Some(row) = rows.next()? {
            let first = usize::from(table.key.is_empty());
            let mut cells = Vec::with_capacity(table.columns.len());
            for column in 0..table.columns.len() {
                cells.push(Cell::new(row.get_ref(first + column)?));
            }
            let key = if table.key.is_empty() {
                vec![Cell::new(row.get_ref(0)?)]
            } else {
                table.key.iter().map(|column| cells[*column].clone()).collect()
            };
            read.insert(key, cells);
        }
        snapshot.insert(index, read);
    }
    Ok(snapshot)
}

/// What changed in one table.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableDelta {
    /// Rows that are new, in the order of their keys.
    pub added: Vec<(Key, Row)>,
    /// Rows that are gone.
    pub removed: BTreeMap<Key, Row>,
    /// Rows that changed: before and after.
    pub changed: BTreeMap<Key, (Row, Row)>,
}

/// What changed, by table index; tables without a change are absent.
pub(crate) type Delta = BTreeMap<usize, TableDelta>;

/// What changed from `before` to `after`, in the tables that both hold.
pub(crate) fn delta(before: &Snapshot, after: &Snapshot) -> Delta {
    let mut delta = Delta::new();
    for (index, rows) in after {
        let Some(old) = before.get(index) else { continue };
        let mut table = TableDelta::default();
        for (key, row) in rows {
            match old.get(key) {
                None => table.added.push((key.clone(), row.clone())),
                Some(was) if was != row => {
                    table.changed.insert(key.clone(), (was.clone(), row.clone()));
                }
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|(key, _)| !rows.contains_key(*key));
        table.removed = gone.map(|(key, row)| (key.clone(), row.clone())).collect();
        if !(table.added.is_empty() && table.removed.is_empty() && table.changed.is_empty()) {
            delta.insert(*index, table);
        }
    }
    delta
}

/// What changed in one table since the start of an episode, for people and trainers.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct TableDiff {
    /// The table.
    pub table: String,
    /// New rows.
    pub added: Vec<Value>,
    /// Rows that are gone.
    pub removed: Vec<Value>,
    /// Rows that changed.
    pub changed: Vec<RowDiff>,
}

/// A row that changed.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RowDiff {
    /// The row as it was.
    pub before: Value,
    /// The row as it is.
    pub after: Value,
}

/// What changed from the initial database to `state`.
pub(crate) fn diff(
    environment: &Environment,
    state: &State,
    conditions: &Conditions,
) -> Result<Vec<TableDiff>, JudgeError> {
    let tables: &BTreeSet<usize> = &state.written;
    let before = read(environment, &State::default(), conditions, tables.iter().copied())?;
    let after = read(environment, state, conditions, tables.iter().copied())?;
    let delta = delta(&before, &after);
    Ok(delta.iter().map(|(index, delta)| table_diff(&environment.catalog().tables[*index], delta)).collect())
}

/// Digest of the package and of every row that differs from the initial database: `sha256:` and hexadecimal digits. Tables come
/// by name and rows by key, so only what the rows are counts; not which calls led there.
pub(crate) fn digest(environment: &Environment, state: &State, conditions: &Conditions) -> Result<String, JudgeError> {
    let mut digest = Sha256::new();
    digest.update(environment.digest());
    let tables: &BTreeSet<usize> = &state.written;
    if !tables.is_empty() {
        let before = read(environment, &State::default(), conditions, tables.iter().copied())?;
        let after = read(environment, state, conditions, tables.iter().copied())?;
        for (index, table) in delta(&before, &after) {
            add_to(&mut digest, &environment.catalog().tables[index].name, &table);
        }
    }
    Ok(format!("sha256:{:x}", digest.finalize()))
}

fn add_to(digest: &mut Sha256, table: &str, delta: &TableDelta) {
    // Everything is preceded by its length or has a fixed one, so that no two deltas give the same bytes.
    digest.update((table.len() as u64).to_be_bytes());
    digest.update(table);
    for count in [delta.added.len(), delta.removed.len(), delta.changed.len()] {
        digest.update((count as u64).to_be_bytes());
    }
    let added = delta.added.iter().map(|(key, row)| (key, &row[..]));
    // What a row was before follows from the package.
    let removed = delta.removed.keys().map(|key| (key, &[][..]));
    let changed = delta.changed.iter().map(|(key, (_, after))| (key, &after[..]));
    for (key, row) in added.chain(removed).chain(changed) {
        for cell in key.iter().chain(row) {
            cell.add_to(digest);
        }
    }
}

fn table_diff(table: &Table, delta: &TableDelta) -> TableDiff {
    TableDiff {
        table: table.name.clone(),
        added: delta.added.iter().map(|(_, row)| row_json(table, row)).collect(),
        removed: delta.removed.values().map(|row| row_json(table, row)).collect(),
        changed: delta
            .changed
            .values()
            .map(|(before, after)| RowDiff { before: row_json(table, before), after: row_json(table, after) })
            .collect(),
    }
}

/// A row as a JSON object.
pub(crate) fn row_json(table: &Table, row: &Row) -> Value {
    let members = table.columns.iter().zip(row).map(|(column, cell)| (column.clone(), cell.to_json()));
    Value::Object(members.collect())
}
