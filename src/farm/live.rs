//! A live episode: an [`Episode`] that many may ask for at once and that takes one call at a time. What changes it is put into
//! the journal before it counts.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::warn;

use super::Common;
use crate::engine::environment::Environment;
use crate::engine::state::Observation;
use crate::engine::verify::Verdict;
use crate::episode::{CallError, Episode, EpisodeState, IdempotencyKey, Prepared};
use crate::id::{EpisodeId, TokenName};
use crate::journal::record::{Called, Ended, How, Record};

/// A live episode: one call at a time.
#[derive(Debug)]
pub struct LiveEpisode {
    id: EpisodeId,
    /// Whose token made it; none where the server asks for none.
    owner: Option<TokenName>,
    environment: Arc<Environment>,
    common: Arc<Common>,
    episode: Mutex<Episode>,
    times: Times,
}

/// When an episode was last asked for and when it ended, in milliseconds since the farm's start. Beside the episode's lock, so
/// that going through all of them waits for none.
#[derive(Debug, Default)]
pub(super) struct Times {
    touched_ms: AtomicU64,
    /// [`Times::LIVE`] while it is live.
    ended_ms: AtomicU64,
    state: std::sync::atomic::AtomicU8,
}

impl Times {
    const LIVE: u64 = u64::MAX;

    pub(super) fn new(now_ms: u64, state: EpisodeState) -> Self {
        let times = Self::default();
        times.touch(now_ms);
        times.set_state(state, now_ms);
        times
    }

    pub(super) fn touch(&self, now_ms: u64) {
        self.touched_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn touched_ms(&self) -> u64 {
        self.touched_ms.load(Ordering::Relaxed)
    }

    /// When it ended; none while it is live.
    pub(super) fn ended_ms(&self) -> Option<u64> {
        Some(self.ended_ms.load(Ordering::Relaxed)).filter(|ended_ms| *ended_ms != Self::LIVE)
    }

    pub(super) fn state(&self) -> EpisodeState {
        match self.state.load(Ordering::Relaxed) {
            0 => EpisodeState::Live,
            1 => EpisodeState::Terminated,
            2 => EpisodeState::Truncated,
            _ => EpisodeState::Faulted,
        }
    }

    pub(super) fn set_state(&self, state: EpisodeState, now_ms: u64) {
        let (code, ended_ms) = match state {
            EpisodeState::Live => (0, Self::LIVE),
            EpisodeState::Terminated => (1, now_ms),
            EpisodeState::Truncated => (2, now_ms),
            EpisodeState::Faulted => (3, now_ms),
        };
        self.state.store(code, Ordering::Relaxed);
        self.ended_ms.store(ended_ms, Ordering::Relaxed);
    }
}

impl LiveEpisode {
    pub(super) fn new(id: EpisodeId, owner: Option<TokenName>, episode: Episode, common: &Arc<Common>) -> Self {
        Self {
            id,
            owner,
            environment: Arc::clone(episode.environment()),
            times: Times::new(common.now_ms(), episode.state()),
            common: Arc::clone(common),
            episode: Mutex::new(episode),
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
        let mut episode = self.lock();
        let was_live = episode.state() == EpisodeState::Live;
        match episode.prepare(tool, arguments, key) {
            Ok(mut prepared) => {
                self.record_call(&episode, &mut prepared)?;
                Ok(episode.commit(prepared))
            }
            Err(err) => {
                if was_live && episode.state() != EpisodeState::Live {
                    self.ended(&episode);
                }
                Err(err)
            }
        }
    }

    fn record_call(&self, episode: &Episode, prepared: &mut Prepared) -> Result<(), CallError> {
        let Some(journal) = self.common.journal() else { return Ok(()) };
        let check = prepared.check();
        // Sent again: it counted the first time.
        let Some(call) = &mut prepared.recorded else { return Ok(()) };
        call.check = check;
        let called = Called {
            id: self.id.to_bytes(),
            number: u32::try_from(episode.calls()).unwrap_or(u32::MAX),
            tool: call.tool,
            changed: call.changed,
            check,
            arguments: Cow::Borrowed(&call.arguments),
            key: call.key.as_ref().map(|key| Cow::Borrowed(key.as_str())),
        };
        journal.append(&Record::Called(called)).map_err(|_| CallError::Unrecorded)
    }

    /// A limit or a fault has ended the episode. If that can't be recorded, a restart finds the episode live and the next
    /// call ends it again.
    fn ended(&self, episode: &Episode) {
        self.times.set_state(episode.state(), self.common.now_ms());
        if self.record_end(episode.state(), None).is_err() {
            warn!(episode = %self.id, "the end of an episode couldn't be recorded");
        }
    }

    fn record_end(&self, state: EpisodeState, judged: Option<Option<&str>>) -> Result<(), CallError> {
        let Some(journal) = self.common.journal() else { return Ok(()) };
        let how = match state {
            EpisodeState::Live => return Ok(()),
            EpisodeState::Terminated => How::Terminated,
            EpisodeState::Truncated => How::Truncated,
            EpisodeState::Faulted => How::Faulted,
        };
        let ended = Ended {
            id: self.id.to_bytes(),
            how,
            at_ms: unix_ms(),
            judged: judged.is_some(),
            answer: judged.flatten().map(Cow::Borrowed),
        };
        journal.append(&Record::Ended(ended)).map_err(|_| CallError::Unrecorded)
    }

    /// Judges the episode and ends it. Asked again with the same answer it gives the same verdict again.
    ///
    /// # Errors
    /// [`CallError::Ended`] where it was judged on another answer, [`CallError::Unrecorded`].
    pub fn verify(&self, answer: Option<&str>) -> Result<Verdict, CallError> {
        let mut episode = self.lock();
        if let Some(verdict) = episode.judged_on(answer)? {
            return Ok(verdict);
        }
        let verdict = episode.peek_verdict(answer);
        let state = episode.lifecycle_after(&verdict);
        self.record_end(state, Some(answer))?;
        episode.finish(answer, verdict.clone());
        self.times.set_state(state, self.common.now_ms());
        Ok(verdict)
    }

    /// Back to the start: the initial database, no calls, live again.
    ///
    /// # Errors
    /// [`CallError::Unrecorded`].
    pub fn reset(&self) -> Result<(), CallError> {
        let mut episode = self.lock();
        if let Some(journal) = self.common.journal() {
            journal.append(&Record::Reset { id: self.id.to_bytes() }).map_err(|_| CallError::Unrecorded)?;
        }
        episode.reset();
        self.times.set_state(EpisodeState::Live, self.common.now_ms());
        Ok(())
    }

    pub(super) fn times(&self) -> &Times {
        &self.times
    }
}

/// Now, by the host's clock: how long an ended episode can still be looked at after a restart.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
