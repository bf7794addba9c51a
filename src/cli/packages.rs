//! Finding and loading packages for commands that work on one environment.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use super::{Failure, shown, unknown};
use crate::config::PackageOptions;
use crate::engine::environment::Environment;
use crate::package;
use crate::package::diagnostic::Severity;

/// Findings of a broken package that are shown before `envfarm check` is pointed to.
const FINDINGS_SHOWN_MAX: usize = 5;

/// Loads the environment of that name.
pub(super) fn load(options: &PackageOptions, name: &str) -> Result<Arc<Environment>, Failure> {
    let known = known(options)?;
    let Some((_, directory)) = known.iter().find(|(known, _)| known == name) else {
        let known = known.iter().map(|(known, _)| known.as_str());
        let message = unknown("environment", name, known);
        return Err(Failure::usage(format!("{message} (in {}; --envs DIR looks elsewhere)", options.envs.display())));
    };
    let loaded = Environment::load(directory);
    loaded.environment.ok_or_else(|| {
        let errors = loaded.diagnostics.iter().filter(|finding| finding.severity == Severity::Error);
        let mut message = format!("the package of {name} has errors:");
        for error in errors.take(FINDINGS_SHOWN_MAX) {
            let line = error.line.map(|line| format!(":{line}")).unwrap_or_default();
            message.push_str(&format!("\n  {}{line}: {}", error.file, error.message));
        }
        message.push_str(&format!("\n`envfarm check {}` lists all of them", directory.display()));
        Failure::failed(message)
    })
}

/// Environments by name, each loaded once, by whoever asks for it first.
#[derive(Debug)]
pub(super) struct Loaded<'o> {
    options: &'o PackageOptions,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// An environment, or why it can't be loaded.
type Slot = OnceLock<Result<Arc<Environment>, String>>;

impl<'o> Loaded<'o> {
    /// Nothing is loaded yet.
    pub(super) fn new(options: &'o PackageOptions) -> Self {
        Self { options, slots: Mutex::default() }
    }

    /// The environment of that name.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Environment>, String> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(name.to_owned()).or_default();
        let slot = Arc::clone(slot);
        // Others may ask for other environments while this one is loaded.
        drop(slots);
        slot.get_or_init(|| load(self.options, name).map_err(|failure| failure.to_string())).clone()
    }
}

/// The packages under `--envs` with the names of their folders.
fn known(options: &PackageOptions) -> Result<Vec<(String, PathBuf)>, Failure> {
    let envs = &options.envs;
    let found = package::find(envs).map_err(|err| {
        Failure::usage(format!("failed to read {}: {err}; --envs DIR looks elsewhere", envs.display()))
    })?;
    let named = found.into_iter().map(|directory| (package::folder_name(&directory), directory));
    Ok(named.collect())
}

/// The id of an actor as written on the command line; ids are numbers in most packages and texts in others.
pub(super) fn actor(environment: &Environment, text: &str) -> Result<Value, Failure> {
    let number = text.parse::<i64>().map_or(Value::Null, Value::from);
    let candidates = [number, Value::from(text)];
    let found = candidates.into_iter().find(|id| environment.actor(id).is_some());
    found.ok_or_else(|| {
        let known = environment.actors().iter().map(|actor| format!("{} ({})", shown::argument(&actor.id), actor.name));
        let known: Vec<String> = known.collect();
        Failure::usage(format!("there is no actor with the id {text}; there are: {}", known.join(", ")))
    })
}
