//! The packages on disk and those loaded as environments, least recently used ones let go of past a limit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::{info, warn};

use super::FarmError;
use super::listings::Listings;
use crate::engine::environment::Environment;
use crate::id::EnvironmentName;
use crate::metrics::Metrics;
use crate::package;

/// Every environment there is, by name.
#[derive(Debug)]
pub(super) struct Environments {
    slots: BTreeMap<EnvironmentName, Slot>,
    /// What lists say of packages that needn't be loaded for it.
    pub(super) listings: Listings,
    loaded_max: usize,
    /// Counts requests, so that the least recently used one is known.
    uses: AtomicU64,
    metrics: Arc<Metrics>,
}

/// A package on disk and, once somebody asked for it, its environment.
#[derive(Debug)]
struct Slot {
    directory: PathBuf,
    /// Held while loading, so that an environment is loaded once however many ask for it.
    loaded: Mutex<Option<Arc<Environment>>>,
    used: AtomicU64,
}

impl Environments {
    /// The packages in `directory` (or the package it is). Nothing is loaded yet.
    pub(super) fn open(directory: &Path, loaded_max: usize) -> Result<Self, FarmError> {
        let packages = package::find(directory)
            .map_err(|source| FarmError::Directory { directory: directory.to_owned(), source })?;
        let mut slots = BTreeMap::new();
        for directory in packages {
            match EnvironmentName::parse(&package::folder_name(&directory)) {
                Ok(name) => {
                    let slot = Slot { directory, loaded: Mutex::new(None), used: AtomicU64::new(0) };
                    slots.insert(name, slot);
                }
                Err(err) => {
                    warn!(directory = %directory.display(), %err, "skipped a package: its folder's name is no environment's name")
                }
            }
        }
        if slots.is_empty() {
            return Err(FarmError::Empty { directory: directory.to_owned() });
        }
        let metrics = Arc::new(Metrics::new(slots.keys()));
        Ok(Self { slots, listings: Listings::default(), loaded_max, uses: AtomicU64::new(0), metrics })
    }

    /// What the farm counts, these environments included.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.slots.keys()
    }

    /// Where the package of that name lies.
    pub(super) fn directory(&self, name: &str) -> Option<&Path> {
        self.slots.get(name).map(|slot| slot.directory.as_path())
    }

    /// The environment's name and where its package lies.
    pub(super) fn find(&self, name: &str) -> Result<(&EnvironmentName, &Path), FarmError> {
        let (name, slot) = self.slots.get_key_value(name).ok_or_else(|| self.unknown(name))?;
        Ok((name, &slot.directory))
    }

    /// The environment of that name, loaded if it isn't yet.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Environment>, FarmError> {
        let Some((name, slot)) = self.slots.get_key_value(name) else {
            return Err(self.unknown(name));
        };
        let mut loaded = slot.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        if let Some(environment) = &*loaded {
            return Ok(Arc::clone(environment));
        }
        let started = Instant::now();
        let found = Environment::load(&slot.directory);
        let Some(environment) = found.environment else {
            return Err(FarmError::InvalidPackage { name: name.clone(), errors: found.diagnostics.len() });
        };
        self.metrics.environments_loaded.inc();
        info!(environment = %name, elapsed_ms = started.elapsed().as_millis() as u64, "loaded environment {name}");
        *loaded = Some(Arc::clone(&environment));
        drop(loaded);
        self.evict();
        Ok(environment)
    }

    /// Number of environments in memory.
    pub(super) fn loaded(&self) -> usize {
        let is_loaded = |slot: &&Slot| slot.loaded.try_lock().map_or(true, |loaded| loaded.is_some());
        self.slots.values().filter(is_loaded).count()
    }

    /// Lets go of the environments unused for longest, down to the limit; those with live episodes stay.
    fn evict(&self) {
        let mut idle = Vec::new();
        let mut held = 0;
        for slot in self.slots.values() {
            let Ok(loaded) = slot.loaded.try_lock() else { continue };
            if let Some(environment) = &*loaded {
                held += 1;
                if Arc::strong_count(environment) == 1 {
                    idle.push((slot.used.load(Ordering::Relaxed), slot));
                }
            }
        }
        idle.sort_by_key(|(used, _)| *used);
        for (_, slot) in idle.into_iter().take(usize::saturating_sub(held, self.loaded_max)) {
            if let Ok(mut loaded) = slot.loaded.try_lock() {
                loaded.take();
                self.metrics.environments_evicted.inc();
            }
        }
    }

    fn unknown(&self, name: &str) -> FarmError {
        const SHOWN_LENGTH_MAX: usize = 80;
        let known = self.slots.keys().map(AsRef::as_ref);
        FarmError::UnknownEnvironment {
            name: name.chars().take(SHOWN_LENGTH_MAX).collect(),
            suggestion: crate::engine::nearest(name, known).map(str::to_owned),
        }
    }
}
