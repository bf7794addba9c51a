//! The farm: environments, loaded when first asked for, and all live episodes, within limits.

mod environments;
mod live;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tracing::info;

use self::environments::Environments;
pub use self::live::LiveEpisode;
use crate::engine::environment::Environment;
use crate::episode::{Episode, EpisodeError, EpisodeLimits, EpisodeState};
use crate::id::{EnvironmentName, EpisodeId, TaskName, TokenName};

/// Limits of the farm.
#[derive(Debug, Clone, Copy)]
pub struct FarmLimits {
    /// Live episodes. Past it, creating one is refused until others end or expire.
    pub live_episodes_max: usize,
    /// Environments held in memory; the one unused for longest goes first, those with live episodes never. An
    /// environment of 35 tools takes about 1 MiB with its idle connections.
    pub environments_max: usize,
    /// An episode nobody has touched for this long is ended.
    pub idle_ttl: Duration,
    /// Limits of each episode.
    pub episode: EpisodeLimits,
}

impl Default for FarmLimits {
    /// 10,000 episodes (some hundred MiB), 256 environments, one hour: longer than any generation between two calls.
    fn default() -> Self {
        Self {
            live_episodes_max: 10_000,
            environments_max: 256,
            idle_ttl: Duration::from_secs(3600),
            episode: EpisodeLimits::default(),
        }
    }
}

/// Why the farm can't do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    /// The directory of environments can't be read.
    #[error("the environments in {} can't be read: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory holds no package.
    #[error("there is no environment in {}", directory.display())]
    Empty {
        /// The directory.
        directory: PathBuf,
    },
    /// There is no environment of that name.
    #[error("there is no environment {name:?}{}", suggestion.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownEnvironment {
        /// The name that was asked for.
        name: String,
        /// One that may have been meant.
        suggestion: Option<String>,
    },
    /// The package has errors.
    #[error("the package of {name} has {errors} errors; envfarm check lists them")]
    InvalidPackage {
        /// The environment.
        name: EnvironmentName,
        /// How many.
        errors: usize,
    },
    /// No live episode has that id: it never existed, was closed, or expired.
    #[error("there is no such episode; it may have been closed or expired")]
    UnknownEpisode,
    /// The farm is full.
    #[error("the farm holds {live_episodes_max} live episodes, its limit; close some or try again later")]
    AtCapacity {
        /// The limit.
        live_episodes_max: usize,
    },
    /// No such task or actor.
    #[error(transparent)]
    Episode(#[from] EpisodeError),
    /// The journal couldn't record it, so it didn't happen.
    #[error("the journal couldn't record it, so it didn't happen")]
    Unrecorded,
    /// The operating system gave no random numbers for an id.
    #[error("the operating system gave no random numbers: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// What to create.
#[derive(Debug, Clone)]
pub struct EpisodeSpec {
    /// The environment.
    pub environment: EnvironmentName,
    /// The task; none for free play.
    pub task: Option<TaskName>,
    /// The seed.
    pub seed: u64,
    /// Who is signed in; the task's or environment's actor where none is given.
    pub actor: Option<Value>,
    /// Whose token asks for it; none where the server asks for none.
    pub owner: Option<TokenName>,
}

/// Which episodes to list; what is absent matches all.
#[derive(Debug, Clone, Default)]
pub struct EpisodeFilter {
    /// Of this environment.
    pub environment: Option<EnvironmentName>,
    /// In this state.
    pub state: Option<EpisodeState>,
    /// Made with this token.
    pub owner: Option<TokenName>,
}

/// What a list says of an episode. It doesn't wake one that sleeps, so it has nothing that would need that.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EpisodeSummary {
    /// Its id.
    #[schemars(with = "String")]
    pub id: EpisodeId,
    /// Its environment.
    #[schemars(with = "String")]
    pub environment: EnvironmentName,
    /// Its task; none in free play.
    #[schemars(with = "Option<String>")]
    pub task: Option<TaskName>,
    /// Its seed.
    pub seed: u64,
    /// Where it is in its life.
    pub state: EpisodeState,
    /// Calls answered so far, refused ones included.
    pub calls: usize,
    /// Seconds until it expires unless somebody asks for it.
    pub expires_in_s: u64,
}

/// Environments and live episodes.
#[derive(Debug)]
pub struct Farm {
    limits: FarmLimits,
    started: Instant,
    environments: Environments,
    episodes: RwLock<HashMap<EpisodeId, Arc<LiveEpisode>>>,
}

impl Farm {
    /// A farm over the packages in a directory (or one package). Nothing is loaded yet.
    ///
    /// # Errors
    /// The directory can't be read or holds no package.
    pub fn open(directory: &Path, limits: FarmLimits) -> Result<Self, FarmError> {
        let environments = Environments::open(directory, limits.environments_max)?;
        Ok(Self { limits, started: Instant::now(), environments, episodes: RwLock::default() })
    }

    /// Its limits.
    pub fn limits(&self) -> &FarmLimits {
        &self.limits
    }

    /// Names of all environments, sorted.
    pub fn environment_names(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.environments.names()
    }

    /// Number of environments in memory.
    pub fn environments_loaded(&self) -> usize {
        self.environments.loaded()
    }

    /// The environment of that name, loaded if it isn't yet.
    ///
    /// # Errors
    /// There is none, or its package has errors.
    pub fn environment(&self, name: &str) -> Result<Arc<Environment>, FarmError> {
        self.environments.get(name)
    }

    /// Where the package of that name lies.
    pub fn package_directory(&self, name: &str) -> Option<&Path> {
        self.environments.directory(name)
    }

    /// Creates an episode.
    ///
    /// # Errors
    /// No such environment, task or actor, or the farm is full.
    pub fn create(&self, spec: EpisodeSpec) -> Result<EpisodeId, FarmError> {
        let ids = self.create_all(vec![spec])?;
        ids.into_iter().next().ok_or(FarmError::UnknownEpisode)
    }

    /// Creates episodes, all or none.
    ///
    /// # Errors
    /// As [`Farm::create`].
    pub fn create_all(&self, specs: Vec<EpisodeSpec>) -> Result<Vec<EpisodeId>, FarmError> {
        let mut created = Vec::with_capacity(specs.len());
        for spec in specs {
            let environment = self.environment(spec.environment.as_ref())?;
            let episode = Episode::new(environment, spec.task, spec.seed, spec.actor, self.limits.episode)?;
            created.push(LiveEpisode::new(EpisodeId::random()?, spec.owner, episode, self.now_ms()));
        }
        self.admit(created)
    }

    /// Copies a live episode as it is now, `count` times; the copies share its pages and are live. All or none.
    ///
    /// # Errors
    /// There is no such episode, or the farm is full.
    pub fn fork(&self, id: &EpisodeId, count: usize) -> Result<Vec<EpisodeId>, FarmError> {
        let parent = self.episode(id)?;
        let mut forks = Vec::with_capacity(count);
        let episode = parent.lock();
        for _ in 0..count {
            let owner = parent.owner().cloned();
            forks.push(LiveEpisode::new(EpisodeId::random()?, owner, episode.fork(), self.now_ms()));
        }
        drop(episode);
        self.admit(forks)
    }

    /// Takes new episodes in, all or none.
    fn admit(&self, new: Vec<LiveEpisode>) -> Result<Vec<EpisodeId>, FarmError> {
        if self.len() + new.len() > self.limits.live_episodes_max {
            self.sweep();
        }
        let mut episodes = self.episodes.write().unwrap_or_else(PoisonError::into_inner);
        if episodes.len() + new.len() > self.limits.live_episodes_max {
            return Err(FarmError::AtCapacity { live_episodes_max: self.limits.live_episodes_max });
        }
        let ids = new.iter().map(LiveEpisode::id).collect();
        episodes.extend(new.into_iter().map(|live| (live.id(), Arc::new(live))));
        Ok(ids)
    }

    /// A live episode; asking for it keeps it from expiring.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn episode(&self, id: &EpisodeId) -> Result<Arc<LiveEpisode>, FarmError> {
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        let episode = episodes.get(id).ok_or(FarmError::UnknownEpisode)?;
        episode.touch(self.now_ms());
        Ok(Arc::clone(episode))
    }

    /// Up to `limit` episodes in the order of their ids, beginning behind `after`.
    pub fn list(&self, filter: &EpisodeFilter, after: Option<EpisodeId>, limit: usize) -> Vec<EpisodeSummary> {
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Arc<LiveEpisode>> = episodes
            .values()
            .filter(|live| after.is_none_or(|after| live.id() > after))
            .filter(|live| filter.environment.as_ref().is_none_or(|name| name == live.environment().name()))
            .filter(|live| filter.owner.as_ref().is_none_or(|owner| Some(owner) == live.owner()))
            .filter(|live| filter.state.is_none_or(|state| live.lock().state() == state))
            .map(Arc::clone)
            .collect();
        drop(episodes);
        if found.len() > limit {
            found.select_nth_unstable_by_key(limit, |live| live.id());
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|live| live.id());
        found.iter().map(|live| self.summary(live)).collect()
    }

    fn summary(&self, live: &LiveEpisode) -> EpisodeSummary {
        let episode = live.lock();
        EpisodeSummary {
            id: live.id(),
            environment: live.environment().name().clone(),
            task: episode.task().map(|task| task.name().clone()),
            seed: episode.seed(),
            state: episode.state(),
            calls: episode.calls(),
            expires_in_s: self.expires_in(live).as_secs(),
        }
    }

    /// How long until an episode expires unless somebody asks for it.
    pub fn expires_in(&self, live: &LiveEpisode) -> Duration {
        let idle = Duration::from_millis(self.now_ms().saturating_sub(live.touched_ms()));
        self.limits.idle_ttl.saturating_sub(idle)
    }

    /// Closes an episode.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn remove(&self, id: &EpisodeId) -> Result<(), FarmError> {
        match self.remove_all(&[*id])? {
            0 => Err(FarmError::UnknownEpisode),
            _ => Ok(()),
        }
    }

    /// Closes those of the episodes that there are; how many that was.
    ///
    /// # Errors
    /// The journal couldn't record it; nothing was closed.
    pub fn remove_all(&self, ids: &[EpisodeId]) -> Result<usize, FarmError> {
        let mut episodes = self.episodes.write().unwrap_or_else(PoisonError::into_inner);
        let removed: Vec<Arc<LiveEpisode>> = ids.iter().filter_map(|id| episodes.remove(id)).collect();
        drop(episodes);
        // Their pages are freed here, outside the lock.
        Ok(removed.len())
    }

    /// Number of episodes held.
    pub fn len(&self) -> usize {
        self.episodes.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every episode nobody has touched for [`FarmLimits::idle_ttl`]; how many those were.
    pub fn sweep(&self) -> usize {
        let idle_ttl = u64::try_from(self.limits.idle_ttl.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.now_ms().saturating_sub(idle_ttl);
        let mut episodes = self.episodes.write().unwrap_or_else(PoisonError::into_inner);
        let expired: Vec<Arc<LiveEpisode>> =
            episodes.extract_if(|_, live| live.touched_ms() < oldest).map(|(_, live)| live).collect();
        drop(episodes);
        if !expired.is_empty() {
            info!(expired = expired.len(), "ended idle episodes");
        }
        expired.len()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
