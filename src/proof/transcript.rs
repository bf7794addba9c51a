//! What an environment's solutions show, as a fingerprint: equal in every process, or the environment is not deterministic.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::engine::environment::Environment;
use crate::engine::solution;
use crate::engine::state::State;
use crate::engine::verify;
use crate::package::TASKS_FILE;
use crate::package::diagnostic::{Code, Diagnostic};

/// SHA-256, by task, over every call, observation and the verdict of its solution. Tasks whose solution fails are left out:
/// that is another finding.
pub fn transcripts(environment: &Environment) -> BTreeMap<String, String> {
    let mut transcripts = BTreeMap::new();
    for task in environment.tasks().values() {
        let conditions = solution::conditions(environment, task, 0);
        let Ok(played) = solution::play(environment, task, &conditions, State::default()) else {
            continue;
        };
        let Ok(verdict) = verify::judge(environment, task, &conditions, &played.state, task.answer()) else {
            continue;
        };
        let mut digest = Sha256::new();
        for call in &played.calls {
            let arguments = serde_json::Value::Object(call.arguments.clone());
            digest.update(format!("{} {arguments}\n{}\n", call.tool, call.observation.text()));
        }
        digest.update(serde_json::to_string(&verdict).unwrap_or_default());
        let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        transcripts.insert(task.name().to_string(), digest);
    }
    transcripts
}

/// Tasks whose transcript in another process isn't the one here.
pub fn compare(environment: &Environment, elsewhere: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    differing(environment, &transcripts(environment), elsewhere, "in another process")
}

/// Tasks whose transcript elsewhere isn't the one here. `what` says where that is.
pub(super) fn differing(
    environment: &Environment,
    here: &BTreeMap<String, String>,
    elsewhere: &BTreeMap<String, String>,
    what: &str,
) -> Vec<Diagnostic> {
    let differing = environment
        .tasks()
        .values()
        .filter(|task| here.get(task.name().as_ref()) != elsewhere.get(task.name().as_ref()));
    differing
        .map(|task| {
            let message = format!("{}: the solution's observations differ {what}", task.name());
            Diagnostic::new(Code::NotDeterministic, TASKS_FILE, task.line(), message)
        })
        .collect()
}
