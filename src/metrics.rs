//! What the farm counts about itself, for Prometheus: the only module that names prometheus_client.
//!
//! Counting is adding to an atomic that its owner holds a reference to; nothing is looked up, locked or allocated for it. Labels
//! are names of environments that exist, routes of the server and words of this module, so nothing an agent sends can add a
//! series. `exposition` writes it all down when somebody scrapes.
//!
//! To add a metric: a field, a line in `exposition`. What another part counts by itself (the journal, for one) comes to a scrape
//! as [`Sample`]s.

mod exposition;
mod histogram;
mod routes;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::exposition::{CONTENT_TYPE, Kind, Sample, Scrape};
pub use self::histogram::Histogram;
pub use self::routes::Routes;
use crate::id::EnvironmentName;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are now, each counted by whoever holds it.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So many fewer; those that were added before.
    pub fn sub(&self, fewer: u64) {
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// How many. Additions and subtractions on other threads may be seen in another order, so it is never below zero only here.
    pub fn get(&self) -> u64 {
        let value = self.0.load(Ordering::Relaxed);
        if value > u64::MAX / 2 { 0 } else { value }
    }
}

/// How a call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It gave a result.
    Completed,
    /// A rule refused it, or the episode had ended.
    Refused,
    /// The arguments didn't fit.
    InvalidArguments,
    /// There is no such tool.
    UnknownTool,
    /// It hit a limit, which ended the episode.
    Truncated,
    /// It met a defect, which ended the episode.
    Faulted,
    /// It was sent again under its key, and its first observation given again.
    Retried,
    /// The journal couldn't record it, so it didn't happen.
    Unrecorded,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Completed,
        Self::Refused,
        Self::InvalidArguments,
        Self::UnknownTool,
        Self::Truncated,
        Self::Faulted,
        Self::Retried,
        Self::Unrecorded,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::InvalidArguments => "invalid_arguments",
            Self::UnknownTool => "unknown_tool",
            Self::Truncated => "truncated",
            Self::Faulted => "faulted",
            Self::Retried => "retried",
            Self::Unrecorded => "unrecorded",
        }
    }
}

/// Where an episode is in its life, as the farm has it; the order is that of [`STATES`].
pub type StateIndex = usize;

/// Labels of the states of episodes.
pub const STATES: [&str; 4] = ["live", "terminated", "truncated", "faulted"];

/// What is counted for each environment.
#[derive(Debug, Default)]
pub struct EnvironmentMetrics {
    calls: [Counter; Outcome::ALL.len()],
    /// How long calls took, waiting for the episode included.
    pub call_seconds: Histogram,
    /// Episodes made, forks not included.
    pub created: Counter,
    /// Episodes made as copies of others.
    pub forks: Counter,
    /// Episodes set back to their start.
    pub resets: Counter,
    /// Episodes that ended, by [`STATES`] (the first never counts).
    ended: [Counter; STATES.len()],
    /// Verdicts with the reward 1.0.
    pub passed: Counter,
    /// Verdicts with less.
    pub failed: Counter,
    /// Verdicts without a reward: faulted episodes and free play.
    pub unrewarded: Counter,
}

impl EnvironmentMetrics {
    /// Counts a call.
    pub fn called(&self, outcome: Outcome, took: Duration) {
        self.calls[outcome as usize].inc();
        self.call_seconds.observe(took);
    }

    /// Calls that came out so.
    pub fn calls(&self, outcome: Outcome) -> u64 {
        self.calls[outcome as usize].get()
    }

    /// Counts a verdict.
    pub fn judged(&self, reward: Option<f64>) {
        match reward {
            Some(reward) if reward >= 1.0 => self.passed.inc(),
            Some(_) => self.failed.inc(),
            None => self.unrewarded.inc(),
        }
    }

    /// Counts the end of an episode.
    pub fn ended(&self, state: StateIndex) {
        self.ended[state].inc();
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// By environment; all there are, so that none has to be added later.
    environments: BTreeMap<EnvironmentName, Arc<EnvironmentMetrics>>,
    /// Those of an environment that is gone, in episodes that a journal still has.
    gone: Arc<EnvironmentMetrics>,
    /// HTTP requests, by route.
    pub routes: Routes,
    /// Episodes held now, by [`STATES`].
    held: [Gauge; STATES.len()],
    /// Bytes of the pages that the held episodes have written.
    pub overlay_bytes: Gauge,
    /// Episodes that expired.
    pub expired: Counter,
    /// Episodes that were closed, or made room.
    pub removed: Counter,
    /// Episodes that were rebuilt from the journal.
    pub woken: Counter,
    /// Environments that were loaded.
    pub environments_loaded: Counter,
    /// Environments that were let go of.
    pub environments_evicted: Counter,
    /// Limits that only whoever started the server knows of.
    limits: OnceLock<Vec<(&'static str, u64)>>,
    /// When the farm was opened, in seconds since 1970.
    started_s: f64,
}

impl Metrics {
    /// Nothing counted yet, for a farm of these environments.
    pub fn new<'n>(environments: impl Iterator<Item = &'n EnvironmentName>) -> Self {
        Self {
            environments: environments.map(|name| (name.clone(), Arc::default())).collect(),
            gone: Arc::default(),
            routes: Routes::default(),
            held: Default::default(),
            overlay_bytes: Gauge::default(),
            expired: Counter::default(),
            removed: Counter::default(),
            woken: Counter::default(),
            environments_loaded: Counter::default(),
            environments_evicted: Counter::default(),
            limits: OnceLock::new(),
            started_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        }
    }

    /// What is counted for an environment, to be held on to.
    pub fn environment(&self, name: &EnvironmentName) -> &Arc<EnvironmentMetrics> {
        self.environments.get(name).unwrap_or(&self.gone)
    }

    /// Limits to be told with the others, besides those that a [`Scrape`] brings. Only the first call counts.
    pub fn tell_limits(&self, limits: Vec<(&'static str, u64)>) {
        // They don't change while a server runs.
        drop(self.limits.set(limits));
    }

    /// One more episode is held in this state.
    pub fn hold(&self, state: StateIndex) {
        self.held[state].add(1);
    }

    /// One that was held isn't any more.
    pub fn let_go(&self, state: StateIndex) {
        self.held[state].sub(1);
    }

    /// Episodes held in this state.
    pub fn held(&self, state: StateIndex) -> u64 {
        self.held[state].get()
    }
}
