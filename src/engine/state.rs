//! The state of an attempt and how a call moves it.
//!
//! Everything that executes calls (episodes, reference solutions, walks) does so here, under [`Conditions`] that fix time,
//! randomness and actor, so that the same calls give the same bytes wherever they run.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

use rusqlite::types::Value as SqlValue;
use serde_json::{Map, Value, json};

use super::arguments::Problem;
use super::environment::{Environment, Tool};
use super::execute::{ExecuteError, Executed, Skipped, execute};
use super::output::JsonText;
use super::program::{INPUTS_SLOT, Program};
use crate::clock;
use crate::config::CALL_STEPS_MAX;
use crate::database::{Budget, Moment, Overlay};

/// Pages an episode may have written: 16 MiB of its own data, where a long episode has some 100 KiB.
pub const PAGES_MAX: usize = 16 << 10;

/// What stays fixed during an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Seed of everything random.
    pub seed: u64,
    /// Virtual time at the start, in Unix milliseconds.
    pub clock_ms: i64,
    /// The signed-in actor's id.
    pub actor: Value,
}

/// What a call may take.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Steps of SQLite's virtual machine.
    pub steps_max: u64,
    /// When it ends at the latest.
    pub deadline: Option<Instant>,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { steps_max: CALL_STEPS_MAX, deadline: None }
    }
}

impl CallLimits {
    fn budget(self) -> Budget {
        Budget { steps_max: self.steps_max, deadline: self.deadline, pages_max: PAGES_MAX }
    }
}

/// What a call moves.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The pages written so far.
    pub overlay: Overlay,
    /// Number of calls that committed a change.
    pub commits: u64,
    /// Indexes of the tables that calls may have written.
    pub(crate) written: BTreeSet<usize>,
}

/// What an agent gets back from a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// The result: a JSON object that conforms to the tool's output schema.
    Completed(JsonText),
    /// A rule of the environment refused the call; nothing changed.
    Rejected {
        /// Stable `snake_case` name of the refusal.
        code: String,
        /// What the agent reads.
        message: String,
    },
    /// The arguments don't fit the tool's input schema; nothing changed.
    InvalidArguments {
        /// Everything that is wrong with them.
        problems: Vec<Problem>,
    },
}

impl Observation {
    /// True for refusals and invalid arguments.
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::Completed(_))
    }

    /// The result, for a call that completed.
    pub fn structured(&self) -> Option<Value> {
        match self {
            Self::Completed(result) => Some(result.value()),
            Self::Rejected { .. } | Self::InvalidArguments { .. } => None,
        }
    }

    /// The stable name of what went wrong, if anything did.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Completed(_) => None,
            Self::Rejected { code, .. } => Some(code),
            Self::InvalidArguments { .. } => Some("invalid_arguments"),
        }
    }

    /// The observation as JSON: the result itself, or `{"error": {"code", "message"}}`.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Completed(result) => result.value(),
            Self::Rejected { code, message } => json!({"error": {"code": code, "message": message}}),
            Self::InvalidArguments { problems } => {
                let listed: Vec<String> =
                    problems.iter().map(|problem| format!("{} {}", problem.path, problem.message)).collect();
                let message = format!("invalid arguments: {}", listed.join("; "));
                json!({"error": {"code": "invalid_arguments", "message": message, "problems": problems}})
            }
        }
    }

    /// The observation as compact JSON text.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Completed(result) => Cow::Borrowed(result.as_str()),
            Self::Rejected { .. } | Self::InvalidArguments { .. } => Cow::Owned(self.to_json().to_string()),
        }
    }

    /// The observation as compact JSON text, for whoever needs nothing else of it.
    pub fn into_text(self) -> String {
        match self {
            Self::Completed(result) => result.into_string(),
            Self::Rejected { .. } | Self::InvalidArguments { .. } => self.to_json().to_string(),
        }
    }
}

/// An observation with what only checks and limits need to know of it.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// What the agent sees.
    pub observation: Observation,
    /// Index of the guard that refused.
    pub refused_by: Option<usize>,
    /// Whether the call committed a change.
    pub changed: bool,
    /// The steps that were skipped.
    pub skipped: Skipped,
    /// The pages after a call that changed something; [`State::accept`] takes them over.
    overlay: Option<Overlay>,
}

impl Called {
    fn unchanged(observation: Observation, refused_by: Option<usize>, skipped: Skipped) -> Self {
        Self { observation, refused_by, changed: false, skipped, overlay: None }
    }
}

impl State {
    /// Virtual time now, in Unix milliseconds.
    pub fn now_ms(&self, conditions: &Conditions) -> i64 {
        let ticks = i64::try_from(self.commits).unwrap_or(i64::MAX);
        conditions.clock_ms.saturating_add(ticks.saturating_mul(clock::TICK_MS))
    }

    /// Calls a tool. Only a call that completes and changes a row moves the state.
    pub(crate) fn call(
        &mut self,
        environment: &Environment,
        conditions: &Conditions,
        tool: &Tool,
        arguments: &Map<String, Value>,
        deadline: Option<Instant>,
    ) -> Result<Called, ExecuteError> {
        let limits = CallLimits { deadline, ..CallLimits::default() };
        let mut called = self.attempt(environment, conditions, tool, arguments, limits)?;
        self.accept(&mut called, tool);
        Ok(called)
    }

    /// Calls a tool and leaves the state as it is, for whoever has something to do before the call counts.
    pub(crate) fn attempt(
        &self,
        environment: &Environment,
        conditions: &Conditions,
        tool: &Tool,
        arguments: &Map<String, Value>,
        limits: CallLimits,
    ) -> Result<Called, ExecuteError> {
        let values = match tool.inputs().bind(arguments) {
            Ok(values) => values,
            Err(problems) => return Ok(Called::unchanged(Observation::InvalidArguments { problems }, None, 0)),
        };
        let program = tool.program();
        let slots = self.slots(conditions, program, arguments, values);
        let mut bound = environment.pool().bind(&self.overlay, self.moment(conditions), limits.budget())?;
        Ok(match execute(program, &mut bound, slots)? {
            Executed::Completed { result, changed, skipped } => Called {
                observation: Observation::Completed(result),
                refused_by: None,
                changed,
                skipped,
                overlay: changed.then(|| bound.into_overlay()),
            },
            Executed::Rejected { step, code, message, skipped } => {
                Called::unchanged(Observation::Rejected { code, message }, step, skipped)
            }
        })
    }

    /// Moves the state to where an attempt of `tool` came out.
    pub(crate) fn accept(&mut self, called: &mut Called, tool: &Tool) {
        if let Some(overlay) = called.overlay.take() {
            self.overlay = overlay;
            self.commits += 1;
            self.written.extend(tool.written_tables());
        }
    }

    /// The moment under which the state's next call runs.
    pub(crate) fn moment(&self, conditions: &Conditions) -> Moment {
        Moment { now_ms: self.now_ms(conditions), seed: conditions.seed, commits: self.commits }
    }

    /// Context and inputs as a program takes them.
    pub(crate) fn slots(
        &self,
        conditions: &Conditions,
        program: &Program,
        arguments: &Map<String, Value>,
        inputs: Vec<SqlValue>,
    ) -> Vec<SqlValue> {
        let mut slots = Vec::with_capacity(program.slots.len().max(INPUTS_SLOT));
        slots.push(super::arguments::to_sql(&conditions.actor, false));
        slots.push(SqlValue::Text(clock::format(self.now_ms(conditions))));
        slots.push(if program.uses_arguments {
            SqlValue::Text(serde_json::to_string(arguments).unwrap_or_default())
        } else {
            SqlValue::Null
        });
        slots.extend(inputs);
        slots
    }
}

/// The budget of what checks and judges execute.
pub(crate) fn budget(deadline: Option<Instant>) -> Budget {
    CallLimits { deadline, ..CallLimits::default() }.budget()
}
