//! The farm: environments, loaded when first asked for, and all live episodes, within limits.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing::{info, warn};

use crate::engine::environment::Environment;
use crate::episode::{Episode, EpisodeError, EpisodeLimits};
use crate::id::{EnvironmentName, EpisodeId, TaskName};
use crate::package;

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
}

/// A live episode: one call at a time.
#[derive(Debug)]
pub struct LiveEpisode {
    environment: Arc<Environment>,
    episode: Mutex<Episode>,
    /// Milliseconds since the farm's start at which somebody last asked for it.
    touched_ms: AtomicU64,
}

impl LiveEpisode {
    /// Its environment, without waiting for a call in flight.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Waits for the call in flight, if any, and gives the episode. A call takes tens of microseconds, so it is executed
    /// under this lock on the async worker; never hold it over an await.
    pub fn lock(&self) -> MutexGuard<'_, Episode> {
        self.episode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Environments and live episodes.
#[derive(Debug)]
pub struct Farm {
    limits: FarmLimits,
    started: Instant,
    environments: BTreeMap<EnvironmentName, Slot>,
    episodes: RwLock<HashMap<EpisodeId, Arc<LiveEpisode>>>,
}

/// A package on disk and, once somebody asked for it, its environment.
#[derive(Debug)]
struct Slot {
    directory: PathBuf,
    /// Held while loading, so that an environment is loaded once however many ask for it.
    loaded: Mutex<Option<Arc<Environment>>>,
    touched_ms: AtomicU64,
}

impl Farm {
    /// A farm over the packages in a directory (or one package). Nothing is loaded yet.
    ///
    /// # Errors
    /// The directory can't be read or holds no package.
    pub fn open(directory: &Path, limits: FarmLimits) -> Result<Self, FarmError> {
        let packages = package::find(directory)
            .map_err(|source| FarmError::Directory { directory: directory.to_owned(), source })?;
        let mut environments = BTreeMap::new();
        for directory in packages {
            let canonical = directory.canonicalize().unwrap_or_else(|_| directory.clone());
            let folder = canonical.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match EnvironmentName::parse(folder) {
                Ok(name) => {
                    let slot = Slot { directory, loaded: Mutex::new(None), touched_ms: AtomicU64::new(0) };
                    environments.insert(name, slot);
                }
                Err(err) => {
                    warn!(directory = %directory.display(), %err, "skipped a package: its folder's name is no environment's name")
                }
            }
        }
        if environments.is_empty() {
            return Err(FarmError::Empty { directory: directory.to_owned() });
        }
        Ok(Self { limits, started: Instant::now(), environments, episodes: RwLock::default() })
    }

    /// Its limits.
    pub fn limits(&self) -> &FarmLimits {
        &self.limits
    }

    /// Names of all environments, sorted.
    pub fn environment_names(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.environments.keys()
    }

    /// The environment of that name, loaded if it isn't yet.
    ///
    /// # Errors
    /// There is none, or its package has errors.
    pub fn environment(&self, name: &str) -> Result<Arc<Environment>, FarmError> {
        let Some((name, slot)) = self.environments.get_key_value(name) else {
            return Err(self.unknown_environment(name));
        };
        let mut loaded = slot.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        slot.touched_ms.store(self.now_ms(), Ordering::Relaxed);
        if let Some(environment) = &*loaded {
            return Ok(Arc::clone(environment));
        }
        let started = Instant::now();
        let found = Environment::load(&slot.directory);
        let Some(environment) = found.environment else {
            return Err(FarmError::InvalidPackage { name: name.clone(), errors: found.diagnostics.len() });
        };
        info!(environment = %name, elapsed_ms = started.elapsed().as_millis(), "loaded environment {name}");
        *loaded = Some(Arc::clone(&environment));
        drop(loaded);
        self.evict();
        Ok(environment)
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
            let episode =
                Episode::new(Arc::clone(&environment), spec.task, spec.seed, spec.actor, self.limits.episode)?;
            let live =
                LiveEpisode { environment, episode: Mutex::new(episode), touched_ms: AtomicU64::new(self.now_ms()) };
            created.push((EpisodeId::random()?, Arc::new(live)));
        }
        if self.len() + created.len() > self.limits.live_episodes_max {
            self.sweep();
        }
        let mut episodes = self.episodes.write().unwrap_or_else(PoisonError::into_inner);
        if episodes.len() + created.len() > self.limits.live_episodes_max {
            return Err(FarmError::AtCapacity { live_episodes_max: self.limits.live_episodes_max });
        }
        let ids = created.iter().map(|(id, _)| *id).collect();
        episodes.extend(created);
        Ok(ids)
    }

    /// A live episode; asking for it keeps it from expiring.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn episode(&self, id: &EpisodeId) -> Result<Arc<LiveEpisode>, FarmError> {
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        let episode = episodes.get(id).ok_or(FarmError::UnknownEpisode)?;
        episode.touched_ms.store(self.now_ms(), Ordering::Relaxed);
        Ok(Arc::clone(episode))
    }

    /// Closes an episode.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn remove(&self, id: &EpisodeId) -> Result<(), FarmError> {
        let mut episodes = self.episodes.write().unwrap_or_else(PoisonError::into_inner);
        let removed = episodes.remove(id).ok_or(FarmError::UnknownEpisode);
        drop(episodes);
        // Its pages are freed here, outside the lock.
        removed.map(drop)
    }

    /// Number of live episodes.
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
        let is_idle = |episode: &LiveEpisode| episode.touched_ms.load(Ordering::Relaxed) < oldest;
        let mut episodes = self.episodes.write().unwrap_or_else(PoisonError::into_inner);
        let expired: Vec<Arc<LiveEpisode>> =
            episodes.extract_if(|_, episode| is_idle(episode)).map(|(_, episode)| episode).collect();
        drop(episodes);
        if !expired.is_empty() {
            info!(expired = expired.len(), "ended idle episodes");
        }
        expired.len()
    }

    /// Lets go of the environments unused for longest, down to the limit; those with live episodes stay.
    fn evict(&self) {
        let mut idle = Vec::new();
        let mut held = 0;
        for slot in self.environments.values() {
            let Ok(loaded) = slot.loaded.try_lock() else { continue };
            if let Some(environment) = &*loaded {
                held += 1;
                if Arc::strong_count(environment) == 1 {
                    idle.push((slot.touched_ms.load(Ordering::Relaxed), slot));
                }
            }
        }
        idle.sort_by_key(|(touched_ms, _)| *touched_ms);
        for (_, slot) in idle.into_iter().take(usize::saturating_sub(held, self.limits.environments_max)) {
            if let Ok(mut loaded) = slot.loaded.try_lock() {
                loaded.take();
            }
        }
    }

    fn unknown_environment(&self, name: &str) -> FarmError {
        const SHOWN_LENGTH_MAX: usize = 80;
        let known = self.environments.keys().map(AsRef::as_ref);
        FarmError::UnknownEnvironment {
            name: name.chars().take(SHOWN_LENGTH_MAX).collect(),
            suggestion: crate::engine::nearest(name, known).map(str::to_owned),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
