//! The rows of a state, with whose they are.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::types::ValueRef;

use crate::database::{Bound, Overlay};
use crate::engine::catalog::{Catalog, Table, quote};
use crate::engine::environment::Environment;
use crate::engine::snapshot::{Cell, Key, Row};
use crate::engine::state::{Conditions, State, budget};

/// The rows of one table in one state, as one actor may see them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// All rows, in the order of their keys as SQLite has it. Those that are as they were before a call are the same.
    pub rows: Vec<Arc<Row>>,
    keys: Keys,
    /// Indexes of the rows in the order of their keys as cells have it, where that is another (by a collation).
    sorted: Option<Vec<usize>>,
    /// For each row of a private table whether the actor may see it; none for tables that everybody may see.
    mine: Option<Vec<bool>>,
}

/// Where the keys of rows are: walks read so many rows that keys aren't kept twice.
#[derive(Debug)]
enum Keys {
    /// In these columns.
    Columns(Vec<usize>),
    /// They are the rowids, which stand beside the rows.
    Rowids(Vec<Cell>),
}

impl Default for Keys {
    fn default() -> Self {
        Self::Columns(Vec::new())
    }
}

impl Rows {
    /// The key of a row.
    pub(super) fn key(&self, row: usize) -> Key {
        match &self.keys {
            Keys::Columns(columns) => columns.iter().map(|column| self.rows[row][*column].clone()).collect(),
            Keys::Rowids(rowids) => vec![rowids[row].clone()],
        }
    }

    /// Index of the row with this key.
    pub(super) fn index(&self, key: &[Cell]) -> Option<usize> {
        match &self.sorted {
            None => {
                let mut range = 0..self.rows.len();
                while !range.is_empty() {
                    let middle = range.start + range.len() / 2;
                    match self.order(middle, key) {
                        Ordering::Equal => return Some(middle),
                        Ordering::Less => range.start = middle + 1,
                        Ordering::Greater => range.end = middle,
                    }
                }
                None
            }
            Some(sorted) => sorted.binary_search_by(|row| self.order(*row, key)).ok().map(|place| sorted[place]),
        }
    }

    /// How the key of a row compares with another key.
    fn order(&self, row: usize, key: &[Cell]) -> Ordering {
        match &self.keys {
            Keys::Columns(columns) => columns.iter().map(|column| &self.rows[row][*column]).cmp(key),
            Keys::Rowids(rowids) => std::iter::once(&rowids[row]).cmp(key),
        }
    }

    fn sort(&mut self) {
        if (1..self.rows.len()).any(|row| self.pair(row - 1, row) != Ordering::Less) {
            let mut sorted: Vec<usize> = (0..self.rows.len()).collect();
            sorted.sort_by(|left, right| self.pair(*left, *right));
            self.sorted = Some(sorted);
        }
    }

    /// How the keys of two rows compare.
    fn pair(&self, left: usize, right: usize) -> Ordering {
        match &self.keys {
            Keys::Columns(columns) => {
                let cells = |row: usize| columns.iter().map(move |column| &self.rows[row][*column]);
                cells(left).cmp(cells(right))
            }
            Keys::Rowids(rowids) => rowids[left].cmp(&rowids[right]),
        }
    }

    /// Whether the actor may see a row.
    pub(super) fn is_mine(&self, row: usize) -> bool {
        self.mine.as_ref().is_none_or(|mine| mine.get(row).copied().unwrap_or(false))
    }

    /// The row with this key, and whether the actor may see it.
    pub(super) fn find(&self, key: &Key) -> Option<(&Row, bool)> {
        let row = self.index(key)?;
        Some((self.rows.get(row)?, self.is_mine(row)))
    }

    /// How many rows the actor may not see.
    pub(super) fn hidden(&self) -> usize {
        self.mine.as_ref().map_or(0, |mine| mine.iter().filter(|mine| !**mine).count())
    }
}

/// How the rows of one table are read.
#[derive(Debug)]
struct TableReader {
    sql: String,
    columns: usize,
    /// Columns of the key; empty where the rowid, read first, is the key.
    key: Vec<usize>,
    private: bool,
    /// Tables on which the rows and their visibility depend.
    depends: BTreeSet<usize>,
}

/// Reads rows of states.
#[derive(Debug)]
pub(super) struct Reader {
    tables: Vec<TableReader>,
}

impl Reader {
    /// Prepares for the tables of an environment.
    pub(super) fn new(environment: &Environment) -> Self {
        let conditions =
            Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: environment.default_actor().clone() };
        let moment = State::default().moment(&conditions);
        let bound = environment.pool().bind(&Overlay::default(), moment, budget(None)).ok();
        let catalog = environment.catalog();
        let tables = catalog.tables.iter().enumerate();
        let tables = tables
            .map(|(index, table)| reader(catalog, index, table, environment.private().get(&index), bound.as_ref()));
        Self { tables: tables.collect() }
    }

    /// Whether the rows of `table`, or who may see them, may differ after a write to `written`.
    pub(super) fn depends(&self, table: usize, written: &BTreeSet<usize>) -> bool {
        self.tables.get(table).is_none_or(|reader| !reader.depends.is_disjoint(written))
    }

    /// Whether who may see the rows of `table` depends on who acts.
    pub(super) fn depends_on_actor(&self, table: usize) -> bool {
        self.tables.get(table).is_none_or(|reader| reader.private)
    }

    /// The rows of a table; `stale` are those of another state, most of which may be the same. A table that can't be read has
    /// none; nothing rests on that, since reading is plain SQL that has been compiled when the environment was loaded.
    pub(super) fn read(
        &self,
        environment: &Environment,
        (state, conditions): (&State, &Conditions),
        table: usize,
        stale: Option<&Rows>,
    ) -> Rows {
        let Some(reader) = self.tables.get(table) else { return Rows::default() };
        let moment = state.moment(conditions);
        let Ok(bound) = environment.pool().bind(&state.overlay, moment, budget(None)) else {
            return Rows::default();
        };
        read(reader, &bound, conditions, stale).unwrap_or_default()
    }
}

fn reader(
    catalog: &Catalog,
    index: usize,
    table: &Table,
    condition: Option<&String>,
    bound: Option<&Bound<'_>>,
) -> TableReader {
    let mut list: Vec<String> = table.columns.iter().map(|column| quote(column)).collect();
    if table.key.is_empty() {
        list.insert(0, "rowid".to_owned());
    }
    list.extend(condition.map(|condition| format!("({condition}) AS envfarm_mine")));
    let order: Vec<String> = table.key.iter().map(|column| quote(&table.columns[*column])).collect();
    let order = if order.is_empty() { "rowid".to_owned() } else { order.join(", ") };
    let sql = format!("SELECT {} FROM {} ORDER BY {order}", list.join(", "), quote(&table.name));
    let mut depends = BTreeSet::from([index]);
    if condition.is_some()
        && let Some(Ok(info)) = bound.map(|bound| bound.describe(&sql))
    {
        depends.extend(catalog.indexes(info.tables.iter().map(|used| used.table.as_str())));
    }
    TableReader { sql, columns: table.columns.len(), key: table.key.clone(), private: condition.is_some(), depends }
}

fn read(
    reader: &TableReader,
    bound: &Bound<'_>,
    conditions: &Conditions,
    stale: Option<&Rows>,
) -> Result<Rows, rusqlite::Error> {
    let mut known = Known { rows: stale.map_or(&[], |stale| &stale.rows), key: &reader.key };
    let mut statement = bound.prepare(&reader.sql)?;
    let actor = crate::engine::arguments::to_sql(&conditions.actor, false);
    for parameter in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(parameter, &actor)?;
    }
    let first = usize::from(reader.key.is_empty());
    let mut read = Rows::default();
    let mut rowids = Vec::new();
    let mut mine = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        read.rows.push(known.or_new(row, first, reader.columns)?);
        if reader.key.is_empty() {
            rowids.push(Cell::new(row.get_ref(0)?));
        }
        if reader.private {
            let shown = row.get::<_, rusqlite::types::Value>(first + reader.columns)?;
            mine.push(crate::engine::execute::truthy(&shown));
        }
    }
    read.keys = if reader.key.is_empty() { Keys::Rowids(rowids) } else { Keys::Columns(reader.key.clone()) };
    read.sort();
    read.mine = reader.private.then_some(mine);
    Ok(read)
}

/// Rows read before, of which those still ahead may come again.
struct Known<'k> {
    rows: &'k [Arc<Row>],
    key: &'k [usize],
}

impl Known<'_> {
    /// The row that SQLite is at: the known one where it is as it was.
    fn or_new(&mut self, found: &rusqlite::Row<'_>, first: usize, columns: usize) -> rusqlite::Result<Arc<Row>> {
        // The next one, or the one behind it where that has been removed.
        for ahead in 0..self.rows.len().min(2) {
            if is_same(found, first, &self.rows[ahead]) {
                let known = Arc::clone(&self.rows[ahead]);
                self.rows = &self.rows[ahead + 1..];
                return Ok(known);
            }
        }
        let mut cells = Vec::with_capacity(columns);
        for column in 0..columns {
            cells.push(Cell::new(found.get_ref(first + column)?));
        }
        // A row that has changed takes its own place; a new one takes none.
        let replaces = |known: &Arc<Row>| self.key.iter().all(|column| known[*column] == cells[*column]);
        if !self.key.is_empty() && self.rows.first().is_some_and(replaces) {
            self.rows = &self.rows[1..];
        }
        Ok(Arc::new(cells))
    }
}

fn is_same(found: &rusqlite::Row<'_>, first: usize, known: &Row) -> bool {
    let is = |column: usize, known: &Cell| match (found.get_ref(first + column), known) {
        (Ok(ValueRef::Null), Cell::Null) => true,
        (Ok(ValueRef::Integer(found)), Cell::Integer(known)) => found == *known,
        (Ok(ValueRef::Real(found)), Cell::Real(known)) => found.to_bits() == *known,
        (Ok(ValueRef::Text(found)), Cell::Text(known)) => found == known.as_bytes(),
        (Ok(ValueRef::Blob(found)), Cell::Blob(known)) => found == &**known,
        _ => false,
    };
    known.iter().enumerate().all(|(column, known)| is(column, known))
}
