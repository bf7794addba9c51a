//! What is judged when the walk has ended: integrity of the states it reached, and whether calls give the same again.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::Value;

use super::corpus::{Corpus, Entry};
use super::judge::{Findings, Place, Sample, Samples, told};
use super::marks::full_text_tables;
use crate::database::{Overlay, Pool, open_bytes};
use crate::engine::catalog::quote;
use crate::engine::environment::{Environment, Tool};
use crate::engine::execute::{Executed, execute};
use crate::engine::state::{Conditions, State, budget};
use crate::package::diagnostic::Code;
use crate::package::{SCHEMA_FILE, diagnostic::Diagnostic};

/// States whose whole database is looked at. Each takes a few milliseconds.
const STATES_MAX: usize = 60;

/// Reports databases that calls have broken: references to nothing, damaged indexes, broken CHECKs, a full-text index that doesn't
/// agree with its table.
pub(super) fn integrity(environment: &Environment, corpus: &Corpus) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let mut report = |entry: &Entry| {
        for problem in problems(environment, entry) {
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
    let stride = entries.len().div_ceil(STATES_MAX).max(1);
    entries.into_iter().step_by(stride).for_each(|entry| report(entry));
    findings
}

fn problems(environment: &Environment, entry: &Entry) -> Vec<String> {
    let bytes = entry.state.overlay.materialize(environment.image());
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
    let mut dangling = connection.prepare("SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2")?;
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
        if let Err(err) = connection.execute(&format!("INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)"), []) {
            problems.push(format!("the full-text index {table} doesn't agree with its table ({err})"));
        }
    }
    Ok(problems)
}

/// Repeats calls on connections that have served nobody before, and those of tools that only read also on one on which SQLite
/// scans the other way round wherever no ORDER BY tells it how.
pub(super) fn determinism(environment: &Environment, samples: &[Samples], findings: &mut Findings) {
    let image = environment.image();
    let reversed = Reversed::new(environment);
    for sample in samples.iter().flat_map(Samples::all) {
        let Some((_, tool)) = environment.tools().get_index(sample.tool) else { continue };
        environment.shrink();
        let mut state = sample.entry.state.clone();
        let again = state.call(environment, &sample.entry.conditions, tool, &sample.arguments, None);
        let text = again.map(|called| called.observation.text()).unwrap_or_default();
        let same_state = sample.child.as_ref().is_none_or(|child| {
            child.state.overlay.materialize(image) == state.overlay.materialize(image)
        });
        let what = match (text == sample.text, same_state) {
            (false, _) => "gave another result on a fresh connection",
            (true, false) => "left another database on a fresh connection",
            (true, true) if reversed.as_ref().is_some_and(|reversed| reversed.differs(tool, sample)) => {
                "gives another result, or its rows in another order, where SQLite is free to choose the order"
            }
            (true, true) => continue,
        };
        let place = Place {
            tool: sample.tool,
            what,
            line: tool.line(),
        };
        findings.add(Code::NotDeterministic, place, sample.entry.depth, || {
            format!("{}: the same call {what}", told(tool, &sample.entry, &sample.arguments))
        });
    }
}

/// Connections on which SELECTs without ORDER BY give their rows the other way round. SQLite may change the order with every
/// version and plan, so a result that rests on it is the same only by luck.
struct Reversed {
    pool: Pool,
}

impl Reversed {
    fn new(environment: &Environment) -> Option<Self> {
        let pool = Pool::new(Arc::clone(environment.image()), 1);
        let moment = State::default().moment(&Conditions {
            seed: 0,
            clock_ms: environment.clock_ms(),
            actor: Value::Null,
        });
        let bound = pool.bind(&Overlay::default(), moment, budget(None)).ok()?;
        bound.connection().set_db_config(DbConfig::SQLITE_DBCONFIG_REVERSE_SCANORDER, true).ok()?;
        // The pool keeps this one connection.
        drop(bound);
        Some(Self { pool })
    }

    fn differs(&self, tool: &Tool, sample: &Sample) -> bool {
        if !tool.program().read_only() {
            return false;
        }
        let (state, conditions) = (&sample.entry.state, &sample.entry.conditions);
        let Ok(values) = tool.inputs().bind(&sample.arguments) else { return false };
        let Ok(mut bound) = self.pool.bind(&state.overlay, state.moment(conditions), budget(None)) else {
            return false;
        };
        match execute(tool.program(), &mut bound, state.slots(conditions, tool.program(), &sample.arguments, values)) {
            Ok(Executed::Completed { result, .. }) => result.to_string() != sample.text,
            Ok(Executed::Rejected { .. }) | Err(_) => false,
        }
    }
}
