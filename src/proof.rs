//! Everything that executes to judge a package: a walk that calls every tool in many states, gates for every task, and an audit
//! that measures whole sets of packages.

pub mod audit;
pub(crate) mod facts;
mod invariants;
pub(crate) mod task_gates;
pub mod transcript;
pub(crate) mod walk;

use std::sync::Arc;

pub(crate) use self::task_gates::Ground;
use self::task_gates::{Call, Gates, Outcome, Scope};
use self::walk::{Effort, Walk};
use crate::engine::environment::Environment;
use crate::engine::solution;
use crate::engine::state::State;
use crate::engine::task::Task;
use crate::id::TaskName;
use crate::package::diagnostic::Diagnostic;
use crate::package::files::Facts;

/// Executes an environment's tools and tasks and reports every finding. `progress` is told what is being done.
pub fn prove(environment: &Arc<Environment>, progress: &dyn Fn(&str)) -> Vec<Diagnostic> {
    proven(environment, Effort::THOROUGH, progress, &mut |_, _, _| ()).0
}

/// The same with more or less effort of the walk. `look` sees every task whose solution can be played, with what the gates found.
fn proven(
    environment: &Arc<Environment>,
    effort: Effort,
    progress: &dyn Fn(&str),
    look: &mut dyn FnMut(&Gates<'_>, &Outcome, &Walk),
) -> (Vec<Diagnostic>, Walk) {
    progress("calling tools");
    let walk = walk::explore(environment, effort);
    let mut findings = walk::check(environment, &walk);
    progress("following the invariants");
    findings.extend(invariants::check(environment, &walk.writes));
    let ground = Ground::new(environment);
    let tasks = environment.tasks().values();
    let gates: Vec<_> = tasks.map(|task| Gates::new(environment, &ground, task)).collect();
    let of_tasks: Vec<Call> = gates.iter().flatten().flat_map(Gates::committing_calls).collect();
    for gates in gates {
        match gates {
            Ok(gates) => {
                progress(gates.task.name().as_ref());
                let outcome = task_gates::check(&gates, &unrelated(&gates, &of_tasks, &walk), Scope::All);
                look(&gates, &outcome, &walk);
                findings.extend(outcome.findings);
            }
            Err(finding) => findings.push(*finding),
        }
    }
    (findings, walk)
}

/// Writes of other tasks, which look most like this one's, and whatever else this task's actor can write.
fn unrelated(gates: &Gates<'_>, of_tasks: &[Call], walk: &Walk) -> Vec<Call> {
    let writes = walk.writes.iter().filter(|write| &write.actor == gates.task.actor());
    of_tasks.iter().cloned().chain(writes.map(Call::from)).collect()
}

/// What the solution of a task takes; none where it can't be played.
pub(crate) fn facts_of(environment: &Environment, task: &Task) -> Option<Facts> {
    let conditions = solution::conditions(environment, task, 0);
    let played = solution::play(environment, task, &conditions, State::default()).ok()?;
    Some(facts::of(task, &played))
}

/// Runs the gates that tasks can fail, with the writes of the other tasks as unrelated ones; what they found, by task. What only
/// tools or the engine can fail is left to `prove`.
pub(crate) fn check_tasks(environment: &Environment, ground: &Ground) -> Vec<(TaskName, Vec<Diagnostic>)> {
    let tasks = environment.tasks().values();
    let gates: Vec<_> = tasks.map(|task| (task.name().clone(), Gates::new(environment, ground, task))).collect();
    let of_tasks: Vec<Call> =
        gates.iter().filter_map(|(_, gates)| gates.as_ref().ok()).flat_map(Gates::committing_calls).collect();
    let found = gates.into_iter().map(|(name, gates)| match gates {
        Ok(gates) => (name, task_gates::check(&gates, &of_tasks, Scope::Tasks).findings),
        Err(finding) => (name, vec![*finding]),
    });
    found.collect()
}
