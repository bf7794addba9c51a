//! Everything that executes to judge a package: a walk that calls every tool in many states, and gates for every task.

pub(crate) mod task_gates;
pub mod transcript;
pub(crate) mod walk;

use std::sync::Arc;

use crate::engine::environment::Environment;
use crate::package::diagnostic::Diagnostic;

/// Executes an environment's tools and tasks and reports every finding. `progress` is told what is being done.
pub fn prove(environment: &Arc<Environment>, progress: &dyn Fn(&str)) -> Vec<Diagnostic> {
    progress("calling tools");
    let walk = walk::explore(environment);
    let mut findings = walk::check(environment, &walk);
    let unrelated = task_gates::committing_calls(environment);
    for task in environment.tasks().values() {
        progress(task.name().as_ref());
        findings.extend(task_gates::check(environment, task, &unrelated));
    }
    findings
}
