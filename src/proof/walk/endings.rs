//! What is judged when the walk has ended: integrity of the states it reached, and whether calls give the same again.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;

use super::corpus::{Corpus, Entry};
use super::judge::{Findings, Place, Samples, told};
use super::marks::full_text_tables;
use super::order::Orders;
use crate::database::open_bytes;
use crate::engine::catalog::quote;
use crate::engine::environment::Environment;
use crate::engine::state::State;
use crate::package::diagnostic::Code;
use crate::package::{SCHEMA_FILE, diagnostic::Diagnostic};

/// Reports databases that calls have broken: references to nothing, damaged indexes, broken CHECKs, a full-text index that doesn't
/// agree with its table.
pub(super) fn integrity(environment: &Environment, corpus: &Corpus, states_max: usize) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let mut report = |entry: &Entry| {
        for problem in integrity_of(environment, &entry.state) {
            if seen.insert(problem.clone()) {
                let after = if entry.depth == 0 { " at the start".to_owned() } else { entry.told() };
                findings.push(Diagnostic::new(Code::IntegrityBroken, SCHEMA_FILE, 0, format!("{problem}{after}")));
            }
        }
    };
    if let Some(start) = corpus.starts.first() {
        report(start);
    }
    // The deepest states have been through the most.
    let mut entries: Vec<&Arc<Entry>> = corpus.all().filter(|entry| entry.depth > 0).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.depth));
    let stride = entries.len().div_ceil(states_max).max(1);
    entries.into_iter().step_by(stride).for_each(|entry| report(entry));
    findings
}

/// What is broken in the database of a state.
pub(in crate::proof) fn integrity_of(environment: &Environment, state: &State) -> Vec<String> {
    let bytes = state.overlay.materialize(environment.image());
    let connection = match open_bytes(&bytes) {
        Ok(connection) => connection,
        Err(err) => return vec![format!("the database can't be opened: {err}")],
    };
    match look(&connection) {
        Ok(problems) => problems,
        Err(err) => vec![format!("the database can't be checked: {err}")],
    }
}

fn look(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut dangling =
        connection.prepare("SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2")?;
    let found = dangling.query_map([], |row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(format!("rows of {table} refer to rows of {parent} that don't exist"))
    })?;
    problems.extend(found.collect::<Result<Vec<_>, _>>()?);
    let mut integrity = connection.prepare("PRAGMA integrity_check(5)")?;
    let found = integrity.query_map([], |row| row.get::<_, String>(0))?;
    problems.extend(found.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|line| line != "ok"));
    for table in full_text_tables(connection)? {
        let name = quote(&table);
        // Rank 1 compares the index with the table it indexes as well.
        if let Err(err) =
            connection.execute(&format!("INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)"), [])
        {
            problems.push(format!("the full-text index {table} doesn't agree with its table ({err})"));
        }
    }
    Ok(problems)
}

/// Repeats calls on connections that have served nobody before, and where SQLite breaks ties the other way.
pub(super) fn determinism(environment: &Environment, samples: &[Samples], findings: &mut Findings) {
    let image = environment.image();
    let orders = Orders::new(environment);
    for sample in samples.iter().flat_map(Samples::all) {
        let Some((_, tool)) = environment.tools().get_index(sample.tool) else { continue };
        environment.shrink();
        let mut state = sample.entry.state.clone();
        let again = state.call(environment, &sample.entry.conditions, tool, &sample.arguments, None);
        let text = again.map(|called| called.observation.into_text()).unwrap_or_default();
        let same_state = sample
            .child
            .as_ref()
            .is_none_or(|child| child.state.overlay.materialize(image) == state.overlay.materialize(image));
        let what = if text != sample.text {
            "gave another result on a fresh connection"
        } else if !same_state {
            "left another database on a fresh connection"
        } else if orders.is_free(tool, sample) {
            "may give its rows in another order, or other rows: an ORDER BY is missing or doesn't end with something unique"
        } else {
            continue;
        };
        let place = Place { tool: sample.tool, what, line: tool.line() };
        findings.add(Code::NotDeterministic, place, sample.entry.depth, || {
            format!("{}: the same call {what}", told(tool, &sample.entry, &sample.arguments))
        });
    }
}
