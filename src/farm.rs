//! The farm: environments, loaded when first asked for, and all live episodes, within limits.
//!
//! With a journal ([`Farm::recover`]) it outlives its process: every change is recorded before it counts, and what a journal
//! holds sleeps (`sleeper`) until somebody asks for it and its calls are made again.
//!
//! Locks are taken in this order: an episode's, then the table of episodes, then the journal's. Nothing that holds the table
//! waits for an episode.

mod environments;
mod list;
mod listings;
mod live;
mod recovery;
mod sleeper;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing::{debug, error, info, warn};

use self::environments::Environments;
pub use self::list::{EpisodeFilter, EpisodeSummary};
pub use self::listings::{EnvironmentListing, TaskFilter, TaskListing, TaskPage, TaskPosition};
pub use self::live::LiveEpisode;
use self::live::{Times, creation};
use self::recovery::Recovery;
pub use self::recovery::{Journaled, journaled};
use self::sleeper::{Sleeper, Slept};
use crate::engine::environment::Environment;
use crate::episode::{Episode, EpisodeError, EpisodeLimits, EpisodeState};
use crate::id::{EnvironmentName, EpisodeId, TaskName, TokenName};
use crate::journal::record::{Ended, How, IdBytes, Record};
use crate::journal::{Journal, JournalError, JournalSettings, JournalStats};
use crate::metrics::Metrics;
use crate::package;

/// Limits of the farm.
#[derive(Debug, Clone, Copy)]
pub struct FarmLimits {
    /// Live episodes. Past it, creating one is refused until others end or expire.
    pub live_episodes_max: usize,
    /// Environments held in memory; the one unused for longest goes first, those with live episodes never. An
    /// environment of 35 tools takes about 1 MiB with its idle connections.
    pub environments_max: usize,
    /// A live episode nobody has asked for since this long expires.
    pub idle_ttl: Duration,
    /// An episode that has ended can still be looked at for this long.
    pub ended_ttl: Duration,
    /// Limits of each episode.
    pub episode: EpisodeLimits,
}

impl Default for FarmLimits {
    /// 10,000 episodes (some hundred MiB), 256 environments, one hour: longer than any generation between two calls. Ten
    /// minutes are enough to fetch a trajectory after its verdict.
    fn default() -> Self {
        Self {
            live_episodes_max: 10_000,
            environments_max: 256,
            idle_ttl: Duration::from_secs(3600),
            ended_ttl: Duration::from_secs(600),
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
    /// The journal is still being read.
    #[error("the farm is still reading its journal")]
    Recovering,
    /// The episode can't be rebuilt or copied: it was ended as faulted.
    #[error("the episode is faulted: {reason}")]
    Faulted {
        /// Why.
        reason: &'static str,
    },
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

/// What all episodes of a farm share.
#[derive(Debug)]
pub(crate) struct Common {
    started: Instant,
    journal: OnceLock<Journal>,
    metrics: Arc<Metrics>,
}

impl Common {
    /// The journal, where there is one.
    fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// An episode in the farm's table.
#[derive(Debug, Clone)]
enum Held {
    Awake(Arc<LiveEpisode>),
    Asleep(Arc<Sleeper>),
}

impl Held {
    fn times(&self) -> &Times {
        match self {
            Self::Awake(live) => live.times(),
            Self::Asleep(sleeper) => &sleeper.times,
        }
    }
}

/// What [`Farm::recover`] found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Episodes that are addressable again, those that had ended included.
    pub episodes: usize,
    /// Live episodes that were ended as faulted, since their package has changed or is gone.
    pub faulted: usize,
}

/// Environments and live episodes.
#[derive(Debug)]
pub struct Farm {
    limits: FarmLimits,
    common: Arc<Common>,
    environments: Environments,
    episodes: RwLock<HashMap<EpisodeId, Held>>,
    /// False while the journal is being read.
    ready: AtomicBool,
}

impl Farm {
    /// A farm in memory over the packages in a directory (or one package). Nothing is loaded yet.
    ///
    /// # Errors
    /// The directory can't be read or holds no package.
    pub fn open(directory: &Path, limits: FarmLimits) -> Result<Self, FarmError> {
        let environments = Environments::open(directory, limits.environments_max)?;
        let metrics = Arc::clone(environments.metrics());
        let common = Arc::new(Common { started: Instant::now(), journal: OnceLock::new(), metrics });
        Ok(Self { limits, common, environments, episodes: RwLock::default(), ready: AtomicBool::new(true) })
    }

    /// A farm that answers [`FarmError::Recovering`] to whatever concerns episodes until [`Farm::recover`] has been called.
    ///
    /// # Errors
    /// As [`Farm::open`].
    pub fn open_for_recovery(directory: &Path, limits: FarmLimits) -> Result<Self, FarmError> {
        let farm = Self::open(directory, limits)?;
        farm.ready.store(false, Ordering::Release);
        Ok(farm)
    }

    /// Reads the journal, takes in the episodes it holds, and records in it from then on. Episodes are rebuilt when somebody asks
    /// for them; those whose package has changed are ended as faulted.
    ///
    /// # Errors
    /// The journal can't be read or written.
    pub fn recover(&self, settings: &JournalSettings) -> Result<Recovered, JournalError> {
        let started = Instant::now();
        let mut recovery = Recovery::default();
        let journal = Journal::open(settings, |record| recovery.apply(record))?;
        let mut recovered = Recovered::default();
        let mut episodes = self.table();
        let mut packages = HashMap::new();
        for (id, slept) in recovery.into_episodes() {
            let origin = Arc::clone(&slept.origin);
            let unchanged = *packages.entry(Arc::as_ptr(&origin)).or_insert_with(|| {
                let directory = self.environments.directory(origin.environment.as_ref());
                directory.and_then(package::digest).as_deref() == Some(&*origin.digest)
            });
            let sleeper = Sleeper::new(id, slept, self.common.now_ms(), &self.common.metrics);
            if !unchanged {
                recovered.faulted += usize::from(self.give_up(&journal, &sleeper));
            }
            recovered.episodes += 1;
            episodes.insert(id, Held::Asleep(Arc::new(sleeper)));
        }
        drop(episodes);
        // Nobody else sets it: there is one recovery.
        drop(self.common.journal.set(journal));
        self.ready.store(true, Ordering::Release);
        let Recovered { episodes, faulted } = recovered;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(episodes, faulted, elapsed_ms, "read the journal");
        Ok(recovered)
    }

    /// Ends a sleeping episode whose package has changed; false if it had ended before.
    fn give_up(&self, journal: &Journal, sleeper: &Sleeper) -> bool {
        sleeper.forget();
        if sleeper.times.state() != EpisodeState::Live {
            return false;
        }
        sleeper.times.set_state(EpisodeState::Faulted, self.common.now_ms());
        let environment = &sleeper.origin.environment;
        warn!(episode = %sleeper.id, %environment, "the package of an episode has changed or is gone; it is ended as faulted");
        let ended =
            Ended { id: sleeper.id.to_bytes(), how: How::Faulted, at_ms: live::unix_ms(), judged: false, answer: None };
        if let Err(err) = journal.append(&Record::Ended(ended)) {
            warn!(episode = %sleeper.id, %err, "the end of an episode couldn't be recorded");
        }
        true
    }

    /// True once every live episode is addressable.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Resolves once everything that happened so far is as durable as was asked for; at once without a journal.
    ///
    /// # Errors
    /// The disk refused.
    pub async fn settled(&self) -> Result<(), FarmError> {
        match self.common.journal() {
            Some(journal) => journal.settled().await.map_err(|_| FarmError::Unrecorded),
            None => Ok(()),
        }
    }

    /// Makes durable whatever isn't yet, before the process ends.
    ///
    /// # Errors
    /// The disk refused.
    pub fn flush(&self) -> Result<(), JournalError> {
        self.common.journal().map_or(Ok(()), Journal::flush)
    }

    /// How the journal is doing, where there is one.
    pub fn journal_stats(&self) -> Option<JournalStats> {
        self.common.journal().map(Journal::stats)
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.common.metrics
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
            created.push(LiveEpisode::new(EpisodeId::random()?, spec.owner, episode, &self.common));
        }
        let mut episodes = self.with_room_for(created.len())?;
        if let Some(journal) = self.common.journal() {
            let record = creation(&created);
            journal.append(&record).map_err(|_| FarmError::Unrecorded)?;
        }
        for live in &created {
            live.counted().created.inc();
        }
        Ok(admit(&mut episodes, created))
    }

    /// Copies a live episode as it is now, `count` times; the copies share its pages and are live. All or none.
    ///
    /// # Errors
    /// There is no such episode, it is faulted, or the farm is full.
    pub fn fork(&self, id: &EpisodeId, count: usize) -> Result<Vec<EpisodeId>, FarmError> {
        let parent = self.episode(id)?;
        // Held until the copies are recorded: its calls must not move meanwhile.
        let episode = parent.lock();
        if episode.state() == EpisodeState::Faulted {
            return Err(FarmError::Faulted { reason: "its state can't be relied on, so it can't be copied" });
        }
        let mut forks = Vec::with_capacity(count);
        for _ in 0..count {
            forks.push(LiveEpisode::new(EpisodeId::random()?, parent.owner().cloned(), episode.fork(), &self.common));
        }
        let mut episodes = self.with_room_for(count)?;
        if !episodes.contains_key(id) {
            return Err(FarmError::UnknownEpisode);
        }
        if let Some(journal) = self.common.journal() {
            let record = Record::Forked {
                parent: id.to_bytes(),
                calls: u32::try_from(episode.calls()).unwrap_or(u32::MAX),
                forks: forks.iter().map(|fork| fork.id().to_bytes()).collect(),
            };
            journal.append(&record).map_err(|_| FarmError::Unrecorded)?;
        }
        parent.counted().forks.add(count as u64);
        Ok(admit(&mut episodes, forks))
    }

    /// The table, with room for that many more episodes. What has expired goes first, then what has ended, the oldest first.
    fn with_room_for(&self, count: usize) -> Result<RwLockWriteGuard<'_, HashMap<EpisodeId, Held>>, FarmError> {
        self.require_ready()?;
        let live_episodes_max = self.limits.live_episodes_max;
        let mut episodes = self.table();
        if episodes.len() + count <= live_episodes_max {
            return Ok(episodes);
        }
        drop(episodes);
        self.sweep();
        episodes = self.table();
        let excess = (episodes.len() + count).saturating_sub(live_episodes_max);
        if excess > 0 {
            let mut ended: Vec<(u64, EpisodeId)> =
                episodes.iter().filter_map(|(id, held)| Some((held.times().ended_ms()?, *id))).collect();
            if ended.len() < excess {
                return Err(FarmError::AtCapacity { live_episodes_max });
            }
            ended.sort_unstable();
            // Some more than needed, so that a full farm doesn't look for them at every creation.
            ended.truncate(excess.max(live_episodes_max / 64));
            let ids: Vec<EpisodeId> = ended.into_iter().map(|(_, id)| id).collect();
            let removed = self.remove_from(&mut episodes, &ids, true)?;
            self.common.metrics.removed.add(removed.len() as u64);
            info!(removed = removed.len(), "let go of ended episodes to make room");
        }
        Ok(episodes)
    }

    /// A live episode; asking for it keeps it from expiring. One that sleeps is rebuilt, which may take milliseconds.
    ///
    /// # Errors
    /// There is none with that id, or it can't be rebuilt.
    pub fn episode(&self, id: &EpisodeId) -> Result<Arc<LiveEpisode>, FarmError> {
        match self.held(id)? {
            Held::Awake(live) => Ok(live),
            Held::Asleep(sleeper) => self.wake(&sleeper),
        }
    }

    /// As [`Farm::episode`], but none where that would take longer than a look.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn episode_if_awake(&self, id: &EpisodeId) -> Result<Option<Arc<LiveEpisode>>, FarmError> {
        match self.held(id)? {
            Held::Awake(live) => Ok(Some(live)),
            Held::Asleep(_) => Ok(None),
        }
    }

    fn held(&self, id: &EpisodeId) -> Result<Held, FarmError> {
        self.require_ready()?;
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        let held = episodes.get(id).ok_or(FarmError::UnknownEpisode)?;
        held.times().touch(self.common.now_ms());
        Ok(held.clone())
    }

    /// Rebuilds a sleeping episode.
    fn wake(&self, sleeper: &Sleeper) -> Result<Arc<LiveEpisode>, FarmError> {
        const CHANGED: FarmError = FarmError::Faulted { reason: "its package has changed since it began" };
        let mut taken = sleeper.slept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slept) = taken.clone() else {
            return match self.held(&sleeper.id)? {
                Held::Awake(live) => Ok(live),
                Held::Asleep(_) => Err(CHANGED),
            };
        };
        let environment = self.environment(slept.origin.environment.as_ref())?;
        if environment.digest() != slept.origin.digest {
            return Err(CHANGED);
        }
        let Slept { owner, ended_at_ms, .. } = &slept;
        let (owner, ended_at_ms) = (owner.clone(), *ended_at_ms);
        let episode = slept.rebuild(environment, self.limits.episode)?;
        let live = Arc::new(LiveEpisode::new(sleeper.id, owner, episode, &self.common));
        if let Some(since_ms) = live::unix_ms().checked_sub(ended_at_ms).filter(|_| live.times().ended_ms().is_some()) {
            live.times().set_state(live.times().state(), self.common.now_ms().saturating_sub(since_ms));
        }
        match self.table().get_mut(&sleeper.id) {
            Some(held) => *held = Held::Awake(Arc::clone(&live)),
            None => return Err(FarmError::UnknownEpisode),
        }
        taken.take();
        self.common.metrics.woken.inc();
        Ok(live)
    }

    /// How long until an episode expires unless somebody asks for it.
    pub fn expires_in(&self, live: &LiveEpisode) -> Duration {
        self.remaining(live.times())
    }

    fn remaining(&self, times: &Times) -> Duration {
        let (ttl, since_ms) = match times.ended_ms() {
            None => (self.limits.idle_ttl, times.touched_ms()),
            Some(ended_ms) => (self.limits.ended_ttl, ended_ms.max(times.touched_ms())),
        };
        ttl.saturating_sub(Duration::from_millis(self.common.now_ms().saturating_sub(since_ms)))
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
        self.require_ready()?;
        let mut episodes = self.table();
        let removed = self.remove_from(&mut episodes, ids, true)?;
        drop(episodes);
        self.common.metrics.removed.add(removed.len() as u64);
        debug!(removed = removed.len(), "closed episodes");
        // Their pages are freed here, outside the lock.
        Ok(removed.len())
    }

    fn remove_from(
        &self,
        episodes: &mut HashMap<EpisodeId, Held>,
        ids: &[EpisodeId],
        must_be_recorded: bool,
    ) -> Result<Vec<Held>, FarmError> {
        let there: Vec<EpisodeId> = ids.iter().filter(|id| episodes.contains_key(id)).copied().collect();
        if let Some(journal) = self.common.journal().filter(|_| !there.is_empty()) {
            let ids: Vec<IdBytes> = there.iter().map(|id| id.to_bytes()).collect();
            let recorded = journal.append(&Record::Removed { ids });
            if recorded.is_err() && must_be_recorded {
                return Err(FarmError::Unrecorded);
            }
        }
        Ok(there.iter().filter_map(|id| episodes.remove(id)).collect())
    }

    /// Number of episodes held, those included that have ended and can still be looked at.
    pub fn len(&self) -> usize {
        self.episodes.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets go of every live episode that nobody has asked for since [`FarmLimits::idle_ttl`] and of every other one that has
    /// ended [`FarmLimits::ended_ttl`] ago; how many those were.
    pub fn sweep(&self) -> usize {
        let mut episodes = self.table();
        let expired = |held: &Held| self.remaining(held.times()).is_zero();
        let ids: Vec<EpisodeId> = episodes.iter().filter(|(_, held)| expired(held)).map(|(id, _)| *id).collect();
        // What can't be recorded now is found and swept again after a restart; memory must not wait for a full disk.
        let swept = self.remove_from(&mut episodes, &ids, false).unwrap_or_default();
        drop(episodes);
        self.common.metrics.expired.add(swept.len() as u64);
        if !swept.is_empty() {
            info!(expired = swept.len(), "let go of expired episodes");
        }
        swept.len()
    }

    /// Rewrites the journal without what was closed or has expired, where that is worth it.
    pub fn compact(&self) {
        if let Some(Err(err)) = self.common.journal().map(Journal::compact) {
            error!(%err, "the journal couldn't be rewritten; it goes on growing");
        }
    }

    fn require_ready(&self) -> Result<(), FarmError> {
        if self.is_ready() { Ok(()) } else { Err(FarmError::Recovering) }
    }

    fn table(&self) -> RwLockWriteGuard<'_, HashMap<EpisodeId, Held>> {
        self.episodes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn admit(episodes: &mut HashMap<EpisodeId, Held>, new: Vec<LiveEpisode>) -> Vec<EpisodeId> {
    let ids = new.iter().map(LiveEpisode::id).collect();
    episodes.extend(new.into_iter().map(|live| (live.id(), Held::Awake(Arc::new(live)))));
    ids
}
