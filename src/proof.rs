//! Everything that executes to judge a package: a walk that calls every tool in many states, and gates for every task.

pub(crate) mod facts;
mod invariants;
pub(crate) mod task_gates;
pub mod transcript;
pub(crate) mod walk;

use std::sync::Arc;

use self::task_gates::Call;
use crate::engine::environment::Environment;
use crate::package::diagnostic::Diagnostic;

/// Executes an environment's tools and tasks and reports every finding. `progress` is told what is being done.
pub fn prove(environment: &Arc<Environment>, progress: &dyn Fn(&str)) -> Vec<Diagnostic> {
    progress("calling tools");
    let walk = walk::explore(environment);
    let mut findings = walk::check(environment, &walk);
    progress("following the invariants");
    findings.extend(invariants::check(environment, &walk.writes));
    let of_tasks = task_gates::committing_calls(environment);
    for task in environment.tasks().values() {
        progress(task.name().as_ref());
        // Writes of other tasks, which look most like this one's, and whatever else this task's actor can write.
        let mut unrelated = of_tasks.clone();
        unrelated.extend(walk.writes.iter().filter(|write| &write.actor == task.actor()).map(Call::from));
        findings.extend(task_gates::check(environment, task, &unrelated));
    }
    findings
}
