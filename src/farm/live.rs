//! A live episode: an [`Episode`] that many may ask for at once and that takes one call at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::engine::environment::Environment;
use crate::engine::state::Observation;
use crate::engine::verify::Verdict;
use crate::episode::{CallError, Episode, IdempotencyKey};
use crate::id::{EpisodeId, TokenName};

/// A live episode: one call at a time.
#[derive(Debug)]
pub struct LiveEpisode {
    id: EpisodeId,
    /// Whose token made it; none where the server asks for none.
    owner: Option<TokenName>,
    environment: Arc<Environment>,
    episode: Mutex<Episode>,
    /// Milliseconds since the farm's start at which somebody last asked for it.
    touched_ms: AtomicU64,
}

impl LiveEpisode {
    pub(super) fn new(id: EpisodeId, owner: Option<TokenName>, episode: Episode, now_ms: u64) -> Self {
        Self {
            id,
            owner,
            environment: Arc::clone(episode.environment()),
            episode: Mutex::new(episode),
            touched_ms: AtomicU64::new(now_ms),
        }
    }

    /// Its id.
    pub fn id(&self) -> EpisodeId {
        self.id
    }

    /// Name of the token that made it.
    pub fn owner(&self) -> Option<&TokenName> {
        self.owner.as_ref()
    }

    /// Its environment, without waiting for a call in flight.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Waits for the call in flight, if any, and gives the episode, to be looked at. What changes it goes through the
    /// methods below, which record it. A call takes tens of microseconds, so it is executed under this lock on the async
    /// worker; never hold it over an await.
    pub fn lock(&self) -> MutexGuard<'_, Episode> {
        self.episode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a tool; sent again under the same key, the call gives its first observation again and changes nothing.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Observation, CallError> {
        self.lock().call_once(tool, arguments, key)
    }

    /// Judges the episode and ends it. Asked again with the same answer it gives the same verdict again.
    ///
    /// # Errors
    /// [`CallError::Ended`] where it was judged on another answer, [`CallError::Unrecorded`].
    pub fn verify(&self, answer: Option<&str>) -> Result<Verdict, CallError> {
        self.lock().verify(answer)
    }

    /// Back to the start: the initial database, no calls, live again.
    ///
    /// # Errors
    /// [`CallError::Unrecorded`].
    pub fn reset(&self) -> Result<(), CallError> {
        self.lock().reset();
        Ok(())
    }

    pub(super) fn touched_ms(&self) -> u64 {
        self.touched_ms.load(Ordering::Relaxed)
    }

    pub(super) fn touch(&self, now_ms: u64) {
        self.touched_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The episode unless a call is in flight.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Episode>> {
        match self.episode.try_lock() {
            Ok(episode) => Some(episode),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}
