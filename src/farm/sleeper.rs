//! An episode as the journal has it: its calls, without a state, until somebody asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::live::Times;
use crate::engine::environment::Environment;
use crate::episode::{Ended, Episode, EpisodeError, EpisodeLimits, EpisodeState, Recorded};
use crate::id::{EnvironmentName, EpisodeId, TaskName, TokenName};
use crate::metrics::Metrics;

/// The package that episodes began with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) environment: EnvironmentName,
    pub(super) digest: String,
    pub(super) engine_version: String,
}

/// What an episode is rebuilt from.
#[derive(Debug, Clone)]
pub(super) struct Slept {
    pub(super) origin: Arc<Origin>,
    pub(super) owner: Option<TokenName>,
    pub(super) task: Option<TaskName>,
    pub(super) seed: u64,
    /// As JSON.
    pub(super) actor: Arc<str>,
    pub(super) calls: Vec<Recorded>,
    pub(super) ended: Option<Ended>,
    /// When it ended, in Unix milliseconds of the host.
    pub(super) ended_at_ms: u64,
}

impl Slept {
    pub(super) fn state(&self) -> EpisodeState {
        self.ended.as_ref().map_or(EpisodeState::Live, |ended| ended.state)
    }

    /// The episode, as it was.
    pub(super) fn rebuild(self, environment: Arc<Environment>, limits: EpisodeLimits) -> Result<Episode, EpisodeError> {
        let actor: Option<Value> = serde_json::from_str(&self.actor).ok();
        let fresh = Episode::new(environment, self.task, self.seed, actor, limits)?;
        Ok(fresh.resume(self.calls, self.ended))
    }
}

/// An episode that sleeps.
#[derive(Debug)]
pub(super) struct Sleeper {
    pub(super) id: EpisodeId,
    pub(super) origin: Arc<Origin>,
    pub(super) owner: Option<TokenName>,
    pub(super) task: Option<TaskName>,
    pub(super) seed: u64,
    pub(super) calls: usize,
    pub(super) times: Times,
    /// Taken by whoever wakes it; held meanwhile, so that it is rebuilt once.
    pub(super) slept: Mutex<Option<Slept>>,
}

impl Sleeper {
    pub(super) fn new(id: EpisodeId, slept: Slept, now_ms: u64, metrics: &Arc<Metrics>) -> Self {
        Self {
            id,
            origin: Arc::clone(&slept.origin),
            owner: slept.owner.clone(),
            task: slept.task.clone(),
            seed: slept.seed,
            calls: slept.calls.len(),
            times: Times::new(now_ms, slept.state(), metrics),
            slept: Mutex::new(Some(slept)),
        }
    }

    /// Lets go of what it could be rebuilt from: it never will be.
    pub(super) fn forget(&self) {
        self.slept.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
