//! Why an episode or a call didn't come about.

use super::EpisodeState;
use crate::id::TaskName;

/// Why an episode can't be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpisodeError {
    /// The environment has no task of that name.
    #[error("the environment {environment} has no task {task}")]
    UnknownTask {
        /// The environment.
        environment: String,
        /// The name that was asked for.
        task: TaskName,
    },
    /// The environment has no actor with that id.
    #[error("the environment {environment} has no actor with the id {actor}")]
    UnknownActor {
        /// The environment.
        environment: String,
        /// The id that was asked for, as JSON.
        actor: String,
    },
}

/// Why a call got no observation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The environment has no tool of that name.
    #[error("there is no tool {name:?}{}", suggestion.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownTool {
        /// The name that was called, shortened.
        name: String,
        /// A tool that may have been meant.
        suggestion: Option<String>,
    },
    /// The episode has ended.
    #[error("the episode has ended ({})", state.as_str())]
    Ended {
        /// How.
        state: EpisodeState,
    },
    /// A limit was hit just now, and the episode has ended.
    #[error("the episode was truncated: {reason}")]
    Truncated {
        /// Which limit.
        reason: &'static str,
    },
    /// The environment has a defect. Details are in the log, not here.
    #[error("the environment has a defect; the episode is faulted")]
    Faulted,
    /// The idempotency key belongs to a call with another tool or other arguments.
    #[error("the idempotency key was used for another call of this episode, to {tool}; use a new key for a new call")]
    KeyReused {
        /// The tool that was called under the key.
        tool: String,
    },
    /// The journal couldn't take the change, so it didn't happen.
    #[error("the journal couldn't record it, so it didn't happen")]
    Unrecorded,
}
