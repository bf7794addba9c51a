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
    /// Invariants already reported.
    broken: BTreeSet<String>,
    findings: Vec<Diagnostic>,
}

pub(super) fn check(environment: &Environment, writes: &[Write]) -> Vec<Diagnostic> {
    let mut run = Run { environment, broken: BTreeSet::new(), findings: Vec::new() };
    if environment.package().environment.invariants.is_empty() {
        return run.findings;
    }
    run.look(&State::default(), "at the start");
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
                self.look(&state, &format!("after {} {arguments} as {}", call.tool, conditions.actor));
            }
        }
    }

    fn look(&mut self, state: &State, when: &str) {
        let environment = self.environment;
        let conditions = Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null };
        let Ok(bound) = environment.judging_pool().bind(&state.overlay, state.moment(&conditions), budget(None)) else {
            return;
        };
        for invariant in &environment.package().environment.invariants {
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
