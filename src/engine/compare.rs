//! When two states are equal: rows, not bytes; new rows up to renaming of generated ids; cells that depend on the clock or on
//! randomness only by whether they are set and changed.
//!
//! New rows are matched by signatures: a row's own cells without its generated key, refined by the signatures of the new
//! rows it refers to and of those that refer to it, as in colour refinement of graphs (Weisfeiler and Leman, 1968). Rows of
//! equal signature are interchangeable.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use super::catalog::{Catalog, Reference, Table};
use super::snapshot::{Cell, Delta, Key, Row, TableDelta, row_json};

/// Rounds of refinement. References among the rows that one task adds are a few levels deep (order, line, return).
const ROUNDS: usize = 5;

/// Cells that can't be compared by value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Volatile {
    /// In rows that existed at the start: (table, key, column).
    pub changed: HashSet<(usize, Key, usize)>,
    /// In new rows: (table, column).
    pub added: HashSet<(usize, usize)>,
}

/// What is compared and how.
pub(crate) struct Rules<'r> {
    /// The tables.
    pub catalog: &'r Catalog,
    /// Tables that aren't compared.
    pub history: &'r BTreeSet<usize>,
    /// Cells that can't be compared by value.
    pub volatile: &'r Volatile,
    /// Columns (table, column) whose text need only be there.
    pub free: &'r [(usize, usize)],
}

/// Everything in which `actual` differs from `expected`, in words; nothing where the states are equal.
pub(crate) fn differences(rules: &Rules<'_>, expected: &Delta, actual: &Delta) -> Vec<String> {
    let expected_side = Side::new(rules, expected);
    let actual_side = Side::new(rules, actual);
    let none = TableDelta::default();
    let mut differences = Vec::new();
    let tables: BTreeSet<usize> = expected.keys().chain(actual.keys()).copied().collect();
    for index in tables.difference(rules.history) {
        let pair = Pair {
            rules,
            index: *index,
            table: &rules.catalog.tables[*index],
            expected: (&expected_side, expected.get(index).unwrap_or(&none)),
            actual: (&actual_side, actual.get(index).unwrap_or(&none)),
        };
        pair.removed(&mut differences);
        pair.changed(&mut differences);
        pair.added(&mut differences);
    }
    differences
}

/// True where a cell can't be compared by value in a new row: its key was generated, or it depends on time or chance.
fn is_generated(table: &Table, column: usize) -> bool {
    table.generates_key() && table.rowid == Some(column)
}

/// A new row: its table and key.
type NewRow = (usize, Key);

/// The new rows of a state that references can lead to, by table, columns that references point at, and their values.
struct Targets(HashMap<(usize, Vec<usize>, Vec<Cell>), Key>);

impl Targets {
    fn new(catalog: &Catalog, delta: &Delta) -> Self {
        let mut targets = HashMap::new();
        for reference in catalog.tables.iter().flat_map(|table| &table.references) {
            let Some(table) = delta.get(&reference.table) else { continue };
            for (key, row) in &table.added {
                let values = reference.targets.iter().map(|column| row[*column].clone()).collect();
                targets.insert((reference.table, reference.targets.clone(), values), key.clone());
            }
        }
        Self(targets)
    }

    /// The new row that `reference` leads to from `row`.
    fn of(&self, reference: &Reference, row: &Row) -> Option<&Key> {
        let values = reference.columns.iter().map(|column| row[*column].clone()).collect();
        self.0.get(&(reference.table, reference.targets.clone(), values))
    }

    /// The new row that a column of `row` refers to.
    fn of_column(&self, table: &Table, column: usize, row: &Row) -> Option<NewRow> {
        let mut references = table.references.iter().filter(|reference| reference.columns.contains(&column));
        references.find_map(|reference| Some((reference.table, self.of(reference, row)?.clone())))
    }
}

/// One of the two states, with the signatures of its new rows.
struct Side {
    signatures: HashMap<NewRow, u64>,
    targets: Targets,
}

impl Side {
    fn new(rules: &Rules<'_>, delta: &Delta) -> Self {
        let mut side = Self { signatures: HashMap::new(), targets: Targets::new(rules.catalog, delta) };
        for (index, table) in delta {
            for (key, row) in &table.added {
                let signature = side.own_signature(rules, *index, row);
                side.signatures.insert((*index, key.clone()), signature);
            }
        }
        for _ in 0..ROUNDS {
            side.refine(rules, delta);
        }
        side
    }

    /// Signature of the new row that a column of `row` refers to.
    fn referred(&self, table: &Table, column: usize, row: &Row) -> Option<u64> {
        self.signatures.get(&self.targets.of_column(table, column, row)?).copied()
    }

    /// A hash of what a new row says by itself.
    fn own_signature(&self, rules: &Rules<'_>, index: usize, row: &Row) -> u64 {
        let table = &rules.catalog.tables[index];
        let mut hasher = DefaultHasher::new();
        index.hash(&mut hasher);
        for (column, cell) in row.iter().enumerate() {
            if is_generated(table, column) {
                continue;
            }
            if self.targets.of_column(table, column, row).is_some() {
                column.hash(&mut hasher);
            } else if rules.volatile.added.contains(&(index, column)) {
                cell.is_null().hash(&mut hasher);
            } else if rules.free.contains(&(index, column)) {
                cell.is_worded().hash(&mut hasher);
            } else {
                hash_cell(cell, &mut hasher);
            }
        }
        hasher.finish()
    }

    fn refine(&mut self, rules: &Rules<'_>, delta: &Delta) {
        let mut outgoing: HashMap<NewRow, Vec<(usize, u64)>> = HashMap::new();
        let mut incoming: HashMap<NewRow, Vec<(usize, usize, u64)>> = HashMap::new();
        for (index, table) in delta {
            for (key, row) in &table.added {
                let here = (*index, key.clone());
                for (number, reference) in rules.catalog.tables[*index].references.iter().enumerate() {
                    let Some(target) = self.targets.of(reference, row) else { continue };
                    let there = (reference.table, target.clone());
                    outgoing.entry(here.clone()).or_default().push((number, self.signatures[&there]));
                    incoming.entry(there).or_default().push((*index, number, self.signatures[&here]));
                }
            }
        }
        for (row, signature) in &mut self.signatures {
            let mut hasher = DefaultHasher::new();
            signature.hash(&mut hasher);
            outgoing.get(row).hash(&mut hasher);
            let mut sources = incoming.remove(row).unwrap_or_default();
            sources.sort_unstable();
            sources.hash(&mut hasher);
            *signature = hasher.finish();
        }
    }
}

/// REALs that compare equal must hash equal, so they are hashed by six digits.
fn hash_cell(cell: &Cell, hasher: &mut impl Hasher) {
    match cell {
        Cell::Real(bits) => format!("{:.5e}", f64::from_bits(*bits)).hash(hasher),
        other => other.hash(hasher),
    }
}

/// One table in both states.
struct Pair<'p> {
    rules: &'p Rules<'p>,
    index: usize,
    table: &'p Table,
    expected: (&'p Side, &'p TableDelta),
    actual: (&'p Side, &'p TableDelta),
}

impl Pair<'_> {
    fn removed(&self, differences: &mut Vec<String>) {
        let (expected, actual) = (&self.expected.1.removed, &self.actual.1.removed);
        for (key, row) in expected.iter().filter(|(key, _)| !actual.contains_key(*key)) {
            let _ = key;
            differences.push(format!("{}: a row should be gone: {}", self.table.name, row_json(self.table, row)));
        }
        for (_, row) in actual.iter().filter(|(key, _)| !expected.contains_key(*key)) {
            differences.push(format!(
                "{}: a row was removed that should have stayed: {}",
                self.table.name,
                row_json(self.table, row)
            ));
        }
    }

    fn changed(&self, differences: &mut Vec<String>) {
        let (expected, actual) = (&self.expected.1.changed, &self.actual.1.changed);
        let keys: BTreeSet<&Key> = expected.keys().chain(actual.keys()).collect();
        for key in keys {
            // A row that is gone or back is reported as such.
            match (expected.get(key), actual.get(key)) {
                (Some((before, after)), None) if !self.actual.1.removed.contains_key(key) => {
                    let cells = self.moved(before, after);
                    differences.push(format!("{} {}: should have changed: {cells}", self.table.name, shown_key(key)));
                }
                (None, Some((before, after))) if !self.expected.1.removed.contains_key(key) => {
                    let cells = self.moved(before, after);
                    differences.push(format!(
                        "{} {}: should not have changed: {cells}",
                        self.table.name,
                        shown_key(key)
                    ));
                }
                (Some((before, wanted)), Some((_, found))) => self.cells(key, before, wanted, found, differences),
                _ => {}
            }
        }
    }

    fn moved(&self, before: &Row, after: &Row) -> String {
        let moved =
            self.table.columns.iter().zip(before.iter().zip(after)).filter(|(_, (before, after))| before != after);
        let moved =
            moved.map(|(column, (before, after))| format!("{column} from {} to {}", before.to_json(), after.to_json()));
        moved.collect::<Vec<_>>().join(", ")
    }

    fn cells(&self, key: &Key, before: &Row, wanted: &Row, found: &Row, differences: &mut Vec<String>) {
        for (column, name) in self.table.columns.iter().enumerate() {
            let (before, want, got) = (&before[column], &wanted[column], &found[column]);
            let new_wanted = self.expected.0.referred(self.table, column, wanted);
            let new_found = self.actual.0.referred(self.table, column, found);
            let same = if new_wanted.is_some() || new_found.is_some() {
                new_wanted == new_found
            } else if self.rules.volatile.changed.contains(&(self.index, key.clone(), column)) {
                want.is_null() == got.is_null() && (want == before) == (got == before)
            } else if self.rules.free.contains(&(self.index, column)) {
                want.same(got) || (want.is_worded() && got.is_worded() && got != before)
            } else {
                want.same(got)
            };
            if !same {
                let place = format!("{} {}", self.table.name, shown_key(key));
                differences.push(format!("{place}: {name} should be {}, not {}", want.to_json(), got.to_json()));
            }
        }
    }

    fn added(&self, differences: &mut Vec<String>) {
        let mut missing = self.by_signature(self.expected);
        let mut surplus = self.by_signature(self.actual);
        for (signature, wanted) in &mut missing {
            if let Some(found) = surplus.get_mut(signature) {
                let matched = wanted.len().min(found.len());
                wanted.drain(..matched);
                found.drain(..matched);
            }
        }
        let missing: Vec<&Row> = missing.into_values().flatten().collect();
        let surplus: Vec<&Row> = surplus.into_values().flatten().collect();
        for row in missing {
            differences.push(format!(
                "{}: a row should have been added: {}",
                self.table.name,
                row_json(self.table, row)
            ));
        }
        for row in surplus {
            differences.push(format!(
                "{}: a row was added that shouldn't: {}",
                self.table.name,
                row_json(self.table, row)
            ));
        }
    }

    fn by_signature<'d>(&self, (side, delta): (&Side, &'d TableDelta)) -> BTreeMap<u64, Vec<&'d Row>> {
        let mut rows: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
        for (key, row) in &delta.added {
            let signature = side.signatures.get(&(self.index, key.clone())).copied().unwrap_or_default();
            rows.entry(signature).or_default().push(row);
        }
        rows
    }
}

fn shown_key(key: &Key) -> String {
    let cells: Vec<String> = key.iter().map(|cell| cell.to_json().to_string()).collect();
    format!("[{}]", cells.join(", "))
}

/// For each new row the one that it was in another execution: of those that are left, the one that differs from it in the fewest
/// cells, the first of equal ones. Random keys say nothing about the order in which rows were added, and taking one row for
/// another would mark every cell in which they differ as one that moves, and so as one that need not be compared.
fn counterparts<'d>(rows: &[&Row], mut others: Vec<&'d Row>) -> Vec<&'d Row> {
    let differing = |left: &Row, right: &Row| left.iter().zip(right).filter(|(left, right)| left != right).count();
    let next = |row: &&Row| {
        let nearest = (0..others.len()).min_by_key(|place| differing(row, others[*place]))?;
        Some(others.remove(nearest))
    };
    rows.iter().map_while(next).collect()
}

/// Cells that differ between two executions of the same calls under other times and seeds. A reference from a new row to
/// another isn't one of them, though its value is another key each time: it is compared by the row it leads to, and the next new
/// row's may lead to an old one.
pub(crate) fn volatile(catalog: &Catalog, first: &Delta, second: &Delta) -> Volatile {
    let (targets, targets_again) = (Targets::new(catalog, first), Targets::new(catalog, second));
    let mut volatile = Volatile::default();
    for (index, delta) in first {
        let Some(other) = second.get(index) else { continue };
        let table = &catalog.tables[*index];
        let moved = |row: &Row, again: &Row| -> Vec<usize> {
            let leads_to_new = |column: usize| {
                targets.of_column(table, column, row).is_some()
                    && targets_again.of_column(table, column, again).is_some()
            };
            (0..row.len()).filter(|column| row[*column] != again[*column] && !leads_to_new(*column)).collect()
        };
        for (key, (_, row)) in &delta.changed {
            let Some((_, again)) = other.changed.get(key) else { continue };
            volatile.changed.extend(moved(row, again).into_iter().map(|column| (*index, key.clone(), column)));
        }
        let added: Vec<&Row> = delta.added.iter().map(|(_, row)| row).collect();
        let again = counterparts(&added, other.added.iter().map(|(_, row)| row).collect());
        for (row, again) in added.into_iter().zip(again) {
            let moved = moved(row, again).into_iter().filter(|column| !is_generated(table, *column));
            volatile.added.extend(moved.map(|column| (*index, column)));
        }
    }
    volatile
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{self, ImageSource};

    #[test]
    fn rows_under_random_keys_find_themselves_again() {
        let row = |key: &str, points: i64, note: &str| {
            vec![Cell::Text(key.into()), Cell::Integer(points), Cell::Text(note.into())]
        };
        let (given, received) = (row("k7", -150, "Gift to Ana"), row("q2", 150, "Gift"));
        // The same two rows of another execution, whose keys sort the other way.
        let (received_again, given_again) = (row("b1", 150, "Gift"), row("z9", -150, "Gift to Ana"));
        let again = counterparts(&[&given, &received], vec![&received_again, &given_again]);
        assert_eq!(again, [&given_again, &received_again]);
        assert_eq!(counterparts(&[&given, &received], vec![&received_again]), [&received_again]);
    }

    /// A folder and its documents, whose keys are random; a grant is to an old document or to a new one.
    fn grants(new_document: &str, keys: [&str; 2], old_document: &str) -> Delta {
        let text = |text: &str| Cell::Text(text.into());
        let row = |cells: &[&str]| (vec![text(cells[0])], cells.iter().map(|cell| text(cell)).collect::<Row>());
        let added = |added: Vec<(Key, Row)>| TableDelta { added, ..TableDelta::default() };
        let documents = added(vec![row(&[new_document, "Budget"])]);
        let grants = added(vec![row(&[keys[0], new_document, "Ana"]), row(&[keys[1], old_document, "Bo"])]);
        Delta::from([(0, documents), (1, grants)])
    }

    #[test]
    fn a_column_that_leads_to_a_new_row_is_compared_where_it_leads_to_an_old_one() {
        let schema = "CREATE TABLE documents(id TEXT PRIMARY KEY, title TEXT NOT NULL) STRICT;
             CREATE TABLE grants(id TEXT PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents(id), name TEXT NOT NULL) STRICT;";
        let image = database::build_image(&ImageSource { schema, data: "", clock_ms: 0 }).unwrap();
        let catalog = Catalog::read(&database::open_bytes(image.bytes()).unwrap()).unwrap();
        let expected = grants("d7", ["g1", "g2"], "plan");
        let volatile = volatile(&catalog, &expected, &grants("d4", ["g9", "g8"], "plan"));
        let rules = Rules { catalog: &catalog, history: &BTreeSet::new(), volatile: &volatile, free: &[] };
        let same = grants("d2", ["g5", "g4"], "plan");
        assert_eq!(differences(&rules, &expected, &same), Vec::<String>::new());
        let elsewhere = grants("d2", ["g5", "g4"], "menu");
        assert_eq!(differences(&rules, &expected, &elsewhere).len(), 2, "one grant is missing, another too many");
    }
}
