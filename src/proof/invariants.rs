//! What an author says is always true of the data: at the start, along every solution, and through a long run of writes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::task_gates::Call;
use super::walk::Write;
use crate::engine::environment::Environment;
use crate::engine::execute::truthy;
use crate::engine::solution;
use crate::engine::state::{Conditions, State, budget};
use crate::package::ENVIRONMENT_FILE;
use crate::package::diagnostic::{Code, Diagnostic};

/// The run through the invariants of one environment.
struct Run<'r> {
    environment: &'r Environment,
    /// For each invariant the tables it looks at; none where it may look at more than rows.
    reads: Vec<Option<BTreeSet<usize>>>,
    /// Invariants already reported.
    broken: BTreeSet<String>,
    findings: Vec<Diagnostic>,
}

pub(super) fn check(environment: &Environment, writes: &[Write]) -> Vec<Diagnostic> {
    let mut run = Run { environment, reads: reads(environment), broken: BTreeSet::new(), findings: Vec::new() };
    if environment.package().environment.invariants.is_empty() {
        return run.findings;
    }
    run.look(&State::default(), None, "at the start");
    for task in environment.tasks().values() {
        let conditions = solution::conditions(environment, task, 0);
        // A solution that fails is a finding of its own.
        let Ok(played) = solution::play(environment, task, &conditions, State::default()) else { continue };
        let calls = played.calls.into_iter().map(|call| (conditions.actor.clone(), call.tool, call.arguments));
        run.follow(calls.map(|(actor, tool, arguments)| (actor, Call { tool, arguments })));
    }
    run.follow(writes.iter().map(|write| (write.actor.clone(), Call::from(write))));
    run.findings
}

impl Run<'_> {
    /// Makes calls one after the other and looks after each that changed something.
    fn follow(&mut self, calls: impl Iterator<Item = (Value, Call)>) {
        let mut state = State::default();
        for (actor, call) in calls {
            let conditions = Conditions { seed: 0, clock_ms: self.environment.clock_ms(), actor };
            let Some(tool) = self.environment.tools().get(&call.tool) else { continue };
            let called = state.call(self.environment, &conditions, tool, &call.arguments, None);
            // A fault is the walk's to report.
            if called.is_ok_and(|called| called.changed) {
                let arguments = Value::Object(call.arguments);
                let when = format!("after {} {arguments} as {}", call.tool, conditions.actor);
                self.look(&state, Some(tool.written_tables()), &when);
            }
        }
    }

    /// Looks whether the invariants hold in a state. Those that don't look at tables that have been `written` hold as before.
    fn look(&mut self, state: &State, written: Option<&BTreeSet<usize>>, when: &str) {
        let environment = self.environment;
        let conditions = Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null };
        let Ok(bound) = environment.judging_pool().bind(&state.overlay, state.moment(&conditions), budget(None)) else {
            return;
        };
        let may_have_changed = |reads: &Option<BTreeSet<usize>>| match (reads, written) {
            (Some(reads), Some(written)) => !reads.is_disjoint(written),
            _ => true,
        };
        for (invariant, reads) in environment.package().environment.invariants.iter().zip(&self.reads) {
            if !may_have_changed(reads) {
                continue;
            }
            let holds = || -> rusqlite::Result<bool> {
                let mut statement = bound.prepare(&invariant.sql)?;
                let mut rows = statement.raw_query();
                match rows.next()? {
                    Some(row) => Ok(truthy(&row.get(0)?)),
                    None => Ok(false),
                }
            };
            let problem = match holds() {
                Ok(true) => continue,
                Ok(false) => format!("{}: does not hold {when}", invariant.name.value),
                Err(err) => format!("{}: {err}", invariant.name.value),
            };
            if self.broken.insert(invariant.name.value.clone()) {
                self.findings.push(Diagnostic::new(Code::InvariantBroken, ENVIRONMENT_FILE, invariant.line, problem));
            }
        }
    }
}

/// What each invariant looks at.
fn reads(environment: &Environment) -> Vec<Option<BTreeSet<usize>>> {
    let conditions = Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null };
    let state = State::default();
    let bound = environment.judging_pool().bind(&state.overlay, state.moment(&conditions), budget(None)).ok();
    let invariants = environment.package().environment.invariants.iter();
    let of = |sql: &str| {
        let lower = sql.to_lowercase();
        // One that depends on the time may cease to hold by itself.
        let timeless = !["now", "current_"].iter().any(|word| lower.contains(word));
        let info = bound.as_ref().filter(|_| timeless)?.describe(sql).ok()?;
        // Of views and full-text tables it isn't known here what they rest on.
        info.tables.iter().map(|used| environment.catalog().table(&used.table)).collect()
    };
    invariants.map(|invariant| of(&invariant.sql)).collect()
}
