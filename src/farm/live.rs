//! A live episode: an [`Episode`] that many may ask for at once and that takes one call at a time. What changes it is put into
//! the journal before it counts.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::{Level, debug, enabled, error, info, warn};

use super::Common;
use crate::engine::environment::Environment;
use crate::engine::state::Observation;
use crate::engine::verify::Verdict;
use crate::episode::{CallError, ENGINE_VERSION, Episode, EpisodeState, IdempotencyKey, Prepared};
use crate::id::{EpisodeId, TokenName};
use crate::journal::record::{Called, Created, Ended, How, PackageOf, Record, Spec};
use crate::metrics::{EnvironmentMetrics, Metrics, Outcome};

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
    /// What is counted for its environment.
    counted: Arc<EnvironmentMetrics>,
    /// The bytes by which it is in [`Metrics::overlay_bytes`].
    overlay_bytes: AtomicU64,
}

/// When an episode was last asked for and when it ended, in milliseconds since the farm's start. Beside the episode's lock, so
/// that going through all of them waits for none. For as long as it lives, an episode is counted as held.
#[derive(Debug)]
pub(super) struct Times {
    touched_ms: AtomicU64,
    /// [`Times::LIVE`] while it is live.
    ended_ms: AtomicU64,
    /// Index in [`crate::metrics::STATES`].
    state: AtomicU8,
    metrics: Arc<Metrics>,
}

impl Times {
    const LIVE: u64 = u64::MAX;

    pub(super) fn new(now_ms: u64, state: EpisodeState, metrics: &Arc<Metrics>) -> Self {
        let times = Self {
            touched_ms: AtomicU64::new(now_ms),
            ended_ms: AtomicU64::new(Self::LIVE),
            state: AtomicU8::new(0),
            metrics: Arc::clone(metrics),
        };
        metrics.hold(0);
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
        let ended_ms = if state == EpisodeState::Live { Self::LIVE } else { now_ms };
        let code = index(state);
        let before = self.state.swap(code, Ordering::Relaxed);
        self.ended_ms.store(ended_ms, Ordering::Relaxed);
        self.metrics.hold(usize::from(code));
        self.metrics.let_go(usize::from(before));
    }
}

impl Drop for Times {
    fn drop(&mut self) {
        self.metrics.let_go(usize::from(*self.state.get_mut()));
    }
}

/// Index in [`crate::metrics::STATES`].
fn index(state: EpisodeState) -> u8 {
    match state {
        EpisodeState::Live => 0,
        EpisodeState::Terminated => 1,
        EpisodeState::Truncated => 2,
        EpisodeState::Faulted => 3,
    }
}

impl LiveEpisode {
    pub(super) fn new(id: EpisodeId, owner: Option<TokenName>, episode: Episode, common: &Arc<Common>) -> Self {
        let counted = common.metrics.environment(episode.environment().name());
        let live = Self {
            id,
            owner,
            environment: Arc::clone(episode.environment()),
            times: Times::new(common.now_ms(), episode.state(), &common.metrics),
            counted: Arc::clone(counted),
            overlay_bytes: AtomicU64::new(0),
            common: Arc::clone(common),
            episode: Mutex::new(episode),
        };
        live.weigh(&live.lock());
        live
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
        let started = Instant::now();
        let mut episode = self.lock();
        let was_live = episode.state() == EpisodeState::Live;
        let (outcome, called) = match episode.prepare(tool, arguments, key) {
            Ok(mut prepared) => {
                let retried = prepared.recorded.is_none();
                let recorded = self.record_call(&episode, &mut prepared);
                let called = recorded.map(|()| episode.commit(prepared));
                (if retried { Outcome::Retried } else { outcome(&called) }, called)
            }
            Err(err) => {
                self.log_fault(&mut episode, tool);
                if was_live && episode.state() != EpisodeState::Live {
                    self.ended(&episode, tool, &err);
                }
                let called = Err(err);
                (outcome(&called), called)
            }
        };
        self.weigh(&episode);
        drop(episode);
        let took = started.elapsed();
        self.counted.called(outcome, took);
        if enabled!(Level::DEBUG) {
            let (tool, outcome) = (self.tool(tool), outcome.as_str());
            // Collectors take 128-bit numbers as text.
            let elapsed_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            debug!(episode.id = %self.id, tool.name = tool, outcome, elapsed_us, "called {tool}");
        }
        called
    }

    /// The name of a tool that there is; whatever else an agent has called is no text for the log.
    fn tool(&self, called: &str) -> &str {
        self.environment.tools().get_key_value(called).map_or("unknown", |(name, _)| name.as_ref())
    }

    /// Keeps the count of bytes right, after whatever may have changed an overlay.
    fn weigh(&self, episode: &Episode) {
        let now = episode.overlay_bytes() as u64;
        let before = self.overlay_bytes.swap(now, Ordering::Relaxed);
        if now > before {
            self.common.metrics.overlay_bytes.add(now - before);
        } else if now < before {
            self.common.metrics.overlay_bytes.sub(before - now);
        }
    }

    /// Tells the log about the defect that a call has met, if it has; the agent isn't told more than that there is one.
    fn log_fault(&self, episode: &mut Episode, tool: &str) {
        let Some(err) = episode.take_fault() else { return };
        let tool = self.tool(tool);
        let environment = self.environment.name();
        error!(episode.id = %self.id, tool.name = tool, %environment, err, "tool {tool} faulted in episode {}", self.id);
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
    fn ended(&self, episode: &Episode, tool: &str, why: &CallError) {
        let state = episode.state();
        if let CallError::Truncated { reason } = why {
            let (tool, environment, calls) = (self.tool(tool), self.environment.name(), episode.calls());
            info!(episode.id = %self.id, tool.name = tool, %environment, calls, reason, "truncated episode {}", self.id);
        }
        self.counted.ended(usize::from(index(state)));
        self.times.set_state(state, self.common.now_ms());
        if self.record_end(episode.state(), None).is_err() {
            warn!(episode.id = %self.id, "the end of an episode couldn't be recorded");
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
        let verdict = episode.judge(answer).unwrap_or_else(|err| {
            let environment = self.environment.name();
            let task = episode.task().map_or("", |task| task.name().as_ref());
            error!(episode.id = %self.id, %environment, task, err, "episode {} can't be judged", self.id);
            Verdict::faulted()
        });
        let state = episode.lifecycle_after(&verdict);
        self.record_end(state, Some(answer))?;
        if episode.state() == EpisodeState::Live {
            self.counted.ended(usize::from(index(state)));
        }
        self.counted.judged(verdict.reward);
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
        self.counted.resets.inc();
        self.weigh(&episode);
        self.times.set_state(EpisodeState::Live, self.common.now_ms());
        Ok(())
    }

    pub(super) fn times(&self) -> &Times {
        &self.times
    }

    /// What is counted for its environment.
    pub(super) fn counted(&self) -> &EnvironmentMetrics {
        &self.counted
    }
}

impl Drop for LiveEpisode {
    fn drop(&mut self) {
        self.common.metrics.overlay_bytes.sub(*self.overlay_bytes.get_mut());
    }
}

/// How a call came out, for the count.
fn outcome(called: &Result<Observation, CallError>) -> Outcome {
    match called {
        Ok(Observation::Completed(_)) => Outcome::Completed,
        Ok(Observation::Rejected { .. }) | Err(CallError::Ended { .. } | CallError::KeyReused { .. }) => {
            Outcome::Refused
        }
        Ok(Observation::InvalidArguments { .. }) => Outcome::InvalidArguments,
        Err(CallError::UnknownTool { .. }) => Outcome::UnknownTool,
        Err(CallError::Truncated { .. }) => Outcome::Truncated,
        Err(CallError::Faulted) => Outcome::Faulted,
        Err(CallError::Unrecorded) => Outcome::Unrecorded,
    }
}

/// Now, by the host's clock: how long an ended episode can still be looked at after a restart.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// The creation of episodes as the journal has it.
pub(super) fn creation(created: &[LiveEpisode]) -> Record<'_> {
    let mut packages: Vec<PackageOf<'_>> = Vec::new();
    let mut specs = Vec::with_capacity(created.len());
    for live in created {
        let environment = live.environment();
        let name = environment.name().as_ref();
        let known = packages.iter().rposition(|package| package.environment == name);
        let package = known.unwrap_or_else(|| {
            packages.push(PackageOf { environment: Cow::Borrowed(name), digest: Cow::Borrowed(environment.digest()) });
            packages.len() - 1
        });
        let episode = live.lock();
        specs.push(Spec {
            id: live.id().to_bytes(),
            package: u32::try_from(package).unwrap_or(u32::MAX),
            task: episode.task().map(|task| Cow::Owned(task.name().to_string())),
            seed: episode.seed(),
            actor: Cow::Owned(episode.actor().to_string()),
            owner: live.owner().map(|owner| Cow::Borrowed(owner.as_ref())),
        });
    }
    Record::Created(Created { engine_version: Cow::Borrowed(ENGINE_VERSION), packages, episodes: specs })
}
