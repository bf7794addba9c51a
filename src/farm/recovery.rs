//! What the journal's records come to: the episodes there were when the process ended.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tracing::{error, info};

use super::sleeper::{Origin, Slept};
use crate::engine::environment::Environment;
use crate::episode::{ENGINE_VERSION, Ended, EpisodeLimits, EpisodeState, IdempotencyKey, Recorded};
use crate::id::{EnvironmentName, EpisodeId, TaskName, TokenName};
use crate::journal::record::{self, Created, How, IdBytes, Record};
use crate::journal::{self, JournalError};
use crate::trajectory::Trajectory;

/// Episodes as far as the records read so far tell.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    episodes: HashMap<EpisodeId, Slept>,
    origins: Vec<Arc<Origin>>,
    /// Episodes that were closed are kept as well.
    keeps_closed: bool,
    /// Records that don't fit what came before. There are none unless a file was tampered with or envfarm has a defect.
    pub(super) misfits: u64,
}

impl Recovery {
    /// Takes in the next record.
    pub(super) fn apply(&mut self, record: Record<'_>) {
        let fits = match record {
            Record::Created(created) => self.create(&created),
            Record::Called(called) => self.call(called),
            Record::Reset { id } => {
                if let Some(slept) = self.episodes.get_mut(&EpisodeId::from_bytes(id)) {
                    slept.calls.clear();
                    slept.ended = None;
                }
                true
            }
            Record::Forked { parent, calls, forks } => self.fork(parent, calls as usize, &forks),
            Record::Ended(ended) => {
                self.end(ended);
                true
            }
            Record::Removed { ids } => {
                if !self.keeps_closed {
                    for id in ids {
                        self.episodes.remove(&EpisodeId::from_bytes(id));
                    }
                }
                true
            }
        };
        self.misfits += u64::from(!fits);
    }

    /// The episodes there were, each with its id.
    pub(super) fn into_episodes(self) -> HashMap<EpisodeId, Slept> {
        if self.misfits > 0 {
            error!(misfits = self.misfits, "records of the journal contradict each other; their episodes are faulted");
        }
        for origin in &self.origins {
            if origin.engine_version != ENGINE_VERSION {
                info!(environment = %origin.environment, recorded = origin.engine_version, now = ENGINE_VERSION,
                      "episodes of another version of the engine are rebuilt; what their changes observed is compared");
            }
        }
        self.episodes
    }

    fn create(&mut self, created: &Created<'_>) -> bool {
        let mut fits = true;
        for spec in &created.episodes {
            let package = created.packages.get(spec.package as usize);
            let origin = package.and_then(|package| {
                let environment = EnvironmentName::parse(&package.environment).ok()?;
                let (digest, engine_version) = (package.digest.to_string(), created.engine_version.to_string());
                Some(self.origin(Origin { environment, digest, engine_version }))
            });
            let task = spec.task.as_deref().map(TaskName::parse).transpose();
            let owner = spec.owner.as_deref().map(TokenName::parse).transpose();
            let (Some(origin), Ok(task), Ok(owner)) = (origin, task, owner) else {
                fits = false;
                continue;
            };
            let slept = Slept {
                origin,
                owner,
                task,
                seed: spec.seed,
                actor: Arc::from(&*spec.actor),
                calls: Vec::new(),
                ended: None,
                ended_at_ms: 0,
            };
            self.episodes.insert(EpisodeId::from_bytes(spec.id), slept);
        }
        fits
    }

    fn origin(&mut self, origin: Origin) -> Arc<Origin> {
        if let Some(known) = self.origins.iter().rev().find(|known| ***known == origin) {
            return Arc::clone(known);
        }
        let origin = Arc::new(origin);
        self.origins.push(Arc::clone(&origin));
        origin
    }

    /// A call of an episode that was closed meanwhile is of no interest.
    fn call(&mut self, called: record::Called<'_>) -> bool {
        let Some(slept) = self.episodes.get_mut(&EpisodeId::from_bytes(called.id)) else { return true };
        if slept.calls.len() != called.number as usize {
            slept.ended = Some(Ended { state: EpisodeState::Faulted, judged: None });
            return false;
        }
        slept.calls.push(Recorded {
            tool: called.tool,
            changed: called.changed,
            check: called.check,
            arguments: Box::from(&*called.arguments),
            key: called.key.as_deref().and_then(IdempotencyKey::parse),
        });
        true
    }

    fn fork(&mut self, parent: IdBytes, calls: usize, forks: &[IdBytes]) -> bool {
        let Some(parent) = self.episodes.get(&EpisodeId::from_bytes(parent)) else { return false };
        let mut fork = parent.clone();
        fork.ended = None;
        if calls > fork.calls.len() {
            return false;
        }
        fork.calls.truncate(calls);
        self.episodes.extend(forks.iter().map(|id| (EpisodeId::from_bytes(*id), fork.clone())));
        true
    }

    fn end(&mut self, ended: record::Ended<'_>) {
        let Some(slept) = self.episodes.get_mut(&EpisodeId::from_bytes(ended.id)) else { return };
        let state = match ended.how {
            How::Terminated => EpisodeState::Terminated,
            How::Truncated => EpisodeState::Truncated,
            How::Faulted => EpisodeState::Faulted,
        };
        let judged = ended.judged.then(|| ended.answer.map(|answer| answer.into_owned()));
        slept.ended = Some(Ended { state, judged });
        slept.ended_at_ms = ended.at_ms;
    }
}

/// An episode in a journal that no process has open.
#[derive(Debug)]
pub struct Journaled {
    /// Its id.
    pub id: EpisodeId,
    slept: Slept,
}

impl Journaled {
    /// Its environment.
    pub fn environment(&self) -> &EnvironmentName {
        &self.slept.origin.environment
    }

    /// Its trajectory; the calls are made again for it.
    ///
    /// # Errors
    /// Why that isn't possible: the package has changed, or a call goes another way than it did.
    pub fn trajectory(self, environment: Arc<Environment>) -> Result<Trajectory, &'static str> {
        if environment.digest() != self.slept.origin.digest {
            return Err("its package has changed since it began");
        }
        let rebuilt =
            self.slept.rebuild(environment, EpisodeLimits { calls_max: usize::MAX, ..EpisodeLimits::default() });
        let episode = rebuilt.map_err(|_| "its task or actor is gone")?;
        episode.trajectory().map_err(|_| "a call goes another way than it did")
    }
}

/// All episodes in a journal, in the order of their ids; those that were closed too, until the journal is rewritten without them.
///
/// # Errors
/// The journal can't be read, or a process has it open.
pub fn journaled(directory: &Path) -> Result<Vec<Journaled>, JournalError> {
    let mut recovery = Recovery { keeps_closed: true, ..Recovery::default() };
    journal::read(directory, |record| recovery.apply(record))?;
    let mut found: Vec<Journaled> =
        recovery.into_episodes().into_iter().map(|(id, slept)| Journaled { id, slept }).collect();
    found.sort_unstable_by_key(|journaled| journaled.id);
    Ok(found)
}
