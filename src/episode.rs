//! An episode: one attempt at one task (or free play) in a private copy of the environment.
//!
//! It is an overlay, an actor, a clock and the list of its calls. Observations are not kept: replaying the calls gives them
//! back, byte for byte.

mod errors;
mod look;

use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::error;

pub use self::errors::{CallError, EpisodeError};
use crate::clock;
use crate::config::CALL_STEPS_MAX;
use crate::engine::environment::{Environment, Tool};
use crate::engine::execute::ExecuteError;
use crate::engine::state::{CallLimits, Called, Conditions, Observation, State};
use crate::engine::task::Task;
use crate::engine::verify::{self, CheckResult, Verdict};
use crate::id::{TaskName, ToolName};
use crate::trajectory::Step;

/// Version of the engine: what a trajectory was recorded with.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where an episode is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeState {
    /// It takes calls.
    Live,
    /// The agent finished and was judged.
    Terminated,
    /// A limit was hit before the agent finished.
    Truncated,
    /// The environment has a defect; the sample says nothing about the agent.
    Faulted,
}

impl EpisodeState {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Terminated => "terminated",
            Self::Truncated => "truncated",
            Self::Faulted => "faulted",
        }
    }
}

/// Limits of one episode.
#[derive(Debug, Clone, Copy)]
pub struct EpisodeLimits {
    /// Calls after which it is truncated, refused ones included.
    pub calls_max: usize,
    /// Wall-clock time of one call after which it is truncated.
    pub call_deadline: Duration,
    /// Steps of SQLite's virtual machine that a call may take; past it the episode is faulted.
    pub call_steps_max: u64,
}

impl Default for EpisodeLimits {
    /// 1,000 calls (reference solutions take a dozen, agents rarely over 100), and 10 s for a call that takes 50 us.
    fn default() -> Self {
        Self { calls_max: 1_000, call_deadline: Duration::from_secs(10), call_steps_max: CALL_STEPS_MAX }
    }
}

/// Longest idempotency key, in bytes. Trainers use UUIDs or short paths; keys are kept for as long as the episode is.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// What a trainer or agent names a call by, so that sending it again doesn't make it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Accepts 1 to [`IDEMPOTENCY_KEY_BYTES_MAX`] printable ASCII characters.
    pub fn parse(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (printable && (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len())).then(|| Self(text.into()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Episode {
    environment: Arc<Environment>,
    task: Option<TaskName>,
    conditions: Conditions,
    limits: EpisodeLimits,
    state: State,
    calls: Vec<Recorded>,
    lifecycle: EpisodeState,
    /// The judgement, once given, with the answer it was given on.
    judged: Option<Box<(Option<String>, Verdict)>>,
    /// The defect met last, until whoever handles it has told the log.
    fault: Option<Box<str>>,
}

/// A call, as compactly as replay allows.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Index of the tool.
    pub tool: u32,
    /// Whether it committed a change; calls that didn't needn't be made again to get the state back.
    pub changed: bool,
    /// CRC-32 of its observation's text, where it went to the journal: a replay compares it.
    pub check: u32,
    /// The arguments as JSON.
    pub arguments: Box<str>,
    /// The key under which it was sent.
    pub key: Option<IdempotencyKey>,
}

/// How an episode had ended, for [`Episode::resume`].
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// In which state.
    pub state: EpisodeState,
    /// The answer it was judged on, where it was judged.
    pub judged: Option<Option<String>>,
}

/// A call that was executed but doesn't count yet; see [`Episode::prepare`].
#[derive(Debug)]
pub(crate) struct Prepared {
    called: Called,
    /// What [`Episode::commit`] keeps of the call; none where it was made before.
    pub recorded: Option<Recorded>,
}

impl Prepared {
    /// CRC-32 of what the agent will get, as text.
    pub(crate) fn check(&self) -> u32 {
        crc32fast::hash(self.called.observation.text().as_bytes())
    }
}

impl Episode {
    /// A fresh episode. The actor is the given one, else the task's, else the environment's default.
    ///
    /// # Errors
    /// The environment has no such task or actor.
    pub fn new(
        environment: Arc<Environment>,
        task: Option<TaskName>,
        seed: u64,
        actor: Option<Value>,
        limits: EpisodeLimits,
    ) -> Result<Self, EpisodeError> {
        let found = match &task {
            None => None,
            Some(name) => Some(environment.tasks().get(name).ok_or_else(|| EpisodeError::UnknownTask {
                environment: environment.name().to_string(),
                task: name.clone(),
            })?),
        };
        let actor = actor.unwrap_or_else(|| found.map_or_else(|| environment.default_actor(), Task::actor).clone());
        if environment.actor(&actor).is_none() {
            return Err(EpisodeError::UnknownActor {
                environment: environment.name().to_string(),
                actor: actor.to_string(),
            });
        }
        let conditions = Conditions { seed, clock_ms: environment.clock_ms(), actor };
        Ok(Self {
            environment,
            task,
            conditions,
            limits,
            state: State::default(),
            calls: Vec::new(),
            lifecycle: EpisodeState::Live,
            judged: None,
            fault: None,
        })
    }

    /// Its environment.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Its task; none in free play.
    pub fn task(&self) -> Option<&Task> {
        self.task.as_ref().and_then(|name| self.environment.tasks().get(name))
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.conditions.seed
    }

    /// Id of the signed-in actor.
    pub fn actor(&self) -> &Value {
        &self.conditions.actor
    }

    /// Name of the signed-in actor.
    pub fn actor_name(&self) -> &str {
        self.environment.actor(&self.conditions.actor).map_or("", |actor| actor.name.as_str())
    }

    /// Where it is in its life.
    pub fn state(&self) -> EpisodeState {
        self.lifecycle
    }

    /// Number of answered calls, refused ones and invalid arguments included.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Memory of the pages it has written, in bytes; pages shared with forks count in each.
    pub fn overlay_bytes(&self) -> usize {
        self.state.overlay.bytes()
    }

    /// What the agent is asked; none in free play.
    pub fn instruction(&self) -> Option<&str> {
        self.task().map(Task::instruction)
    }

    /// What the agent reads beside the instruction: house rules, who is signed in, date and time at the start.
    pub fn context(&self) -> String {
        context(&self.environment, self.actor_name())
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// See [`CallError`]; refusals and invalid arguments are observations.
    pub fn call(&mut self, tool: &str, arguments: Map<String, Value>) -> Result<Observation, CallError> {
        self.call_once(tool, arguments, None)
    }

    /// Calls a tool; sent again under the same key, the call gives its first observation again and changes nothing.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call_once(
        &mut self,
        tool: &str,
        arguments: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Observation, CallError> {
        let prepared = self.prepare(tool, arguments, key);
        if let Some(err) = self.take_fault() {
            error!(environment = %self.environment.name(), err, "a tool faulted");
        }
        Ok(self.commit(prepared?))
    }

    /// Executes a call without letting it count, so that it can be recorded first. [`Episode::commit`] makes it count;
    /// dropping it makes as if nothing had been called. A limit or a fault ends the episode here; of a fault,
    /// [`Episode::take_fault`] tells more.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) fn prepare(
        &mut self,
        tool: &str,
        arguments: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Prepared, CallError> {
        if let Some(number) = key.as_ref().and_then(|key| self.number_of(key)) {
            return self.once_more(number, tool, &arguments);
        }
        self.require_live()?;
        let environment = Arc::clone(&self.environment);
        let Some((index, _, found)) = environment.tools().get_full(tool) else {
            return Err(unknown_tool(&environment, tool));
        };
        if self.calls.len() >= self.limits.calls_max {
            return Err(self.truncate("the limit of calls is reached"));
        }
        let attempted = self.state.attempt(&environment, &self.conditions, found, &arguments, self.call_limits());
        let called = attempted.map_err(|err| self.stop(found.name(), &err))?;
        let recorded = Recorded {
            tool: u32::try_from(index).unwrap_or(u32::MAX),
            changed: called.changed,
            check: 0,
            arguments: serde_json::to_string(&arguments).unwrap_or_default().into(),
            key,
        };
        Ok(Prepared { called, recorded: Some(recorded) })
    }

    /// Lets a prepared call count.
    pub(crate) fn commit(&mut self, prepared: Prepared) -> Observation {
        let Prepared { mut called, recorded } = prepared;
        if let Some(recorded) = recorded {
            if let Some((_, tool)) = self.environment.tools().get_index(recorded.tool as usize) {
                self.state.accept(&mut called, tool);
            }
            self.calls.push(recorded);
        }
        called.observation
    }

    /// The number of the call with this key. Retries come soon, so the newest calls are looked at first.
    fn number_of(&self, key: &IdempotencyKey) -> Option<usize> {
        self.calls.iter().rposition(|call| call.key.as_ref() == Some(key))
    }

    /// The observation of an earlier call, for whoever sends it again. Observations aren't kept: the calls before it that
    /// changed something are made again, then the call itself.
    fn once_more(&mut self, number: usize, tool: &str, arguments: &Map<String, Value>) -> Result<Prepared, CallError> {
        let recorded = &self.calls[number];
        let (name, found) = self.environment.tools().get_index(recorded.tool as usize).ok_or(CallError::Faulted)?;
        let same =
            serde_json::from_str::<Map<String, Value>>(&recorded.arguments).is_ok_and(|first| first == *arguments);
        if name.as_ref() != tool || !same {
            return Err(CallError::KeyReused { tool: name.to_string() });
        }
        let limits = self.call_limits();
        let mut state = State::default();
        let replayed = self.calls[..number].iter().filter(|call| call.changed).try_for_each(|call| {
            let again = call.again(&self.environment, &state, &self.conditions, limits)?;
            let (mut called, tool) = again;
            state.accept(&mut called, tool);
            Ok(())
        });
        let called =
            replayed.and_then(|()| state.attempt(&self.environment, &self.conditions, found, arguments, limits));
        match called {
            Ok(called) => Ok(Prepared { called, recorded: None }),
            Err(err) => {
                self.fault = Some(format!("call {number}, of {name}, can't be made again: {err}").into());
                Err(CallError::Faulted)
            }
        }
    }

    fn call_limits(&self) -> CallLimits {
        CallLimits {
            steps_max: self.limits.call_steps_max,
            deadline: Instant::now().checked_add(self.limits.call_deadline),
        }
    }

    /// Ends the episode for what a call ran into.
    fn stop(&mut self, tool: &ToolName, err: &ExecuteError) -> CallError {
        match err {
            ExecuteError::Deadline => self.truncate("a call took longer than its deadline"),
            ExecuteError::Fault { .. } => {
                self.fault = Some(format!("tool {tool}: {err}").into());
                self.lifecycle = EpisodeState::Faulted;
                CallError::Faulted
            }
        }
    }

    /// An episode that was played elsewhere or before, from its calls: those that changed something are made again. Where one
    /// doesn't go as it did, the episode is faulted, since nobody knows its state.
    pub(crate) fn resume(mut self, calls: Vec<Recorded>, ended: Option<Ended>) -> Self {
        let environment = Arc::clone(&self.environment);
        let untimed = CallLimits { deadline: None, ..self.call_limits() };
        for (number, call) in calls.iter().enumerate().filter(|(_, call)| call.changed) {
            let again = call.again(&environment, &self.state, &self.conditions, untimed);
            let went = match again {
                Ok((mut called, tool)) if crc32fast::hash(called.observation.text().as_bytes()) == call.check => {
                    self.state.accept(&mut called, tool);
                    continue;
                }
                Ok((called, _)) => called.observation.text().into_owned(),
                Err(err) => err.to_string(),
            };
            error!(environment = %environment.name(), number, went, "an episode can't be rebuilt: a call goes another way than it did");
            self.calls = calls;
            self.lifecycle = EpisodeState::Faulted;
            return self;
        }
        self.calls = calls;
        if let Some(Ended { state, judged }) = ended {
            if let Some(answer) = judged {
                let verdict = self.peek_verdict(answer.as_deref());
                self.judged = Some(Box::new((answer, verdict)));
            }
            self.lifecycle = state;
        }
        self
    }

    /// Back to the start: the initial database, no calls, live again.
    pub fn reset(&mut self) {
        self.state = State::default();
        self.calls.clear();
        self.lifecycle = EpisodeState::Live;
        self.judged = None;
    }

    /// A live copy of the episode as it is now, sharing its pages.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut fork = self.clone();
        fork.lifecycle = EpisodeState::Live;
        fork.judged = None;
        fork
    }

    /// Judges the episode and ends it. Asked again with the same answer it gives the same verdict again.
    ///
    /// # Errors
    /// [`CallError::Ended`] where it was judged on another answer.
    pub fn verify(&mut self, answer: Option<&str>) -> Result<Verdict, CallError> {
        if let Some(verdict) = self.judged_on(answer)? {
            return Ok(verdict);
        }
        let verdict = self.peek_verdict(answer);
        self.finish(answer, verdict.clone());
        Ok(verdict)
    }

    /// The verdict given before on this answer.
    ///
    /// # Errors
    /// [`CallError::Ended`] where it was judged on another answer.
    pub(crate) fn judged_on(&self, answer: Option<&str>) -> Result<Option<Verdict>, CallError> {
        match self.judged.as_deref() {
            None => Ok(None),
            Some((judged, verdict)) if judged.as_deref() == answer => Ok(Some(verdict.clone())),
            Some(_) => Err(CallError::Ended { state: self.lifecycle }),
        }
    }

    /// Ends the episode with a verdict.
    pub(crate) fn finish(&mut self, answer: Option<&str>, verdict: Verdict) {
        self.lifecycle = self.lifecycle_after(&verdict);
        self.judged = Some(Box::new((answer.map(str::to_owned), verdict)));
    }

    /// Where a verdict leaves the episode.
    pub(crate) fn lifecycle_after(&self, verdict: &Verdict) -> EpisodeState {
        match (self.lifecycle, verdict.reward) {
            (EpisodeState::Live, None) if self.task.is_some() => EpisodeState::Faulted,
            (EpisodeState::Live, _) => EpisodeState::Terminated,
            (ended, _) => ended,
        }
    }

    /// The verdict as it would be now, without ending the episode.
    pub fn peek_verdict(&self, answer: Option<&str>) -> Verdict {
        self.judge(answer).unwrap_or_else(|err| {
            let environment = self.environment.name();
            error!(%environment, task = self.task.as_ref().map(AsRef::as_ref), err, "a task can't be judged");
            Verdict::faulted()
        })
    }

    /// The verdict as it would be now.
    ///
    /// # Errors
    /// The environment's defect that keeps the task from being judged, for the log.
    pub(crate) fn judge(&self, answer: Option<&str>) -> Result<Verdict, String> {
        if self.lifecycle == EpisodeState::Faulted {
            return Ok(Verdict::faulted());
        }
        let Some(task) = self.task() else {
            return Ok(free_play());
        };
        verify::judge(&self.environment, task, &self.conditions, &self.state, answer).map_err(|err| err.to_string())
    }

    /// The defect that a call has met since this was asked last, for the log.
    pub(crate) fn take_fault(&mut self) -> Option<Box<str>> {
        self.fault.take()
    }

    fn require_live(&self) -> Result<(), CallError> {
        match self.lifecycle {
            EpisodeState::Live => Ok(()),
            state => Err(CallError::Ended { state }),
        }
    }

    fn truncate(&mut self, reason: &'static str) -> CallError {
        self.lifecycle = EpisodeState::Truncated;
        CallError::Truncated { reason }
    }
}

impl Recorded {
    /// Makes the call in `state`, leaving it as it is.
    fn again<'e>(
        &self,
        environment: &'e Environment,
        state: &State,
        conditions: &Conditions,
        limits: CallLimits,
    ) -> Result<(Called, &'e Tool), ExecuteError> {
        let unreadable = |message: String| ExecuteError::Fault { line: 0, message };
        let tool = environment.tools().get_index(self.tool as usize);
        let (_, tool) = tool.ok_or_else(|| unreadable(format!("there is no tool number {}", self.tool)))?;
        let arguments = serde_json::from_str(&self.arguments).map_err(|err| unreadable(err.to_string()))?;
        let called = state.attempt(environment, conditions, tool, &arguments, limits)?;
        Ok((called, tool))
    }
}

/// A call and its observation as a line of a trajectory.
pub fn step(tool: &str, arguments: Map<String, Value>, observation: &Observation) -> Step {
    Step { tool: tool.to_owned(), arguments, observation: observation.to_json(), is_error: observation.is_error() }
}

/// What an agent signed in as `actor_name` reads before it acts.
pub fn context(environment: &Environment, actor_name: &str) -> String {
    let now = clock::spoken(environment.clock_ms());
    format!("{}\n\nYou are signed in as {actor_name}. It is {now}.", environment.instructions())
}

fn unknown_tool(environment: &Environment, tool: &str) -> CallError {
    const SHOWN_LENGTH_MAX: usize = 80;
    let known = environment.tools().keys().map(AsRef::as_ref);
    CallError::UnknownTool {
        name: tool.chars().take(SHOWN_LENGTH_MAX).collect(),
        suggestion: crate::engine::nearest(tool, known).map(str::to_owned),
    }
}

fn free_play() -> Verdict {
    let check =
        CheckResult { name: "task".to_owned(), passed: false, reason: "free play has no task to judge".to_owned() };
    Verdict { reward: None, passed: false, checks: vec![check] }
}
