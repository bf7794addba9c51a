//! What MCP says about tools and their results, from what the core says.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::environment::{self, Annotations, Environment};
use crate::engine::state::Observation;
use crate::episode::CallError;

/// The result object of `tools/call`; REST's `/calls` answers with the same one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallResult {
    /// The observation as text; one block.
    pub content: [Text; 1],
    /// The observation as JSON, where the call completed. A refusal has none: clients validate `structuredContent`
    /// against the tool's outputSchema even where `isError` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// True where the call was refused; nothing has changed then.
    pub is_error: bool,
}

/// A text block of a result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "text")]
pub struct Text {
    /// Compact JSON.
    pub text: String,
}

/// Why a call has no result for the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The environment has no such tool.
    #[error("there is no tool {name:?}; {}", suggestion.as_ref().map_or_else(
        || "tools/list names those there are".to_owned(),
        |near| format!("did you mean {near}?"),
    ))]
    UnknownTool {
        /// The name that was called, shortened.
        name: String,
        /// A tool that may have been meant.
        suggestion: Option<String>,
    },
    /// The environment is defective; the log says how, the caller doesn't learn it.
    #[error("the environment failed; the episode is faulted and earns no reward")]
    Faulted,
    /// The journal couldn't take the call, so it didn't happen.
    #[error("the call couldn't be recorded, so it didn't happen; send it again later")]
    Unrecorded,
    /// The request came without an episode to call tools in.
    #[error("this request has no episode to call tools in")]
    NoEpisode,
}

/// Sorts what `Episode::call` says into results an agent can read and failures of the request.
pub(super) fn call_result(outcome: Result<Observation, CallError>) -> Result<CallResult, CallFailure> {
    match outcome {
        Ok(observation) => Ok(CallResult::from(observation)),
        Err(CallError::UnknownTool { name, suggestion }) => Err(CallFailure::UnknownTool { name, suggestion }),
        Err(CallError::Ended { .. }) => {
            Ok(CallResult::refusal("episode_ended", "this episode has ended; it takes no further calls"))
        }
        Err(CallError::Truncated { reason }) => Ok(CallResult::refusal(
            "episode_truncated",
            &format!("{reason}; this episode has ended and takes no further calls"),
        )),
        Err(CallError::Faulted) => Err(CallFailure::Faulted),
        Err(err @ CallError::KeyReused { .. }) => Ok(CallResult::refusal("idempotency_key_reused", &err.to_string())),
        Err(CallError::Unrecorded) => Err(CallFailure::Unrecorded),
    }
}

impl CallResult {
    fn refusal(code: &str, message: &str) -> Self {
        let text = json!({"error": {"code": code, "message": message}}).to_string();
        Self { content: [Text { text }], structured_content: None, is_error: true }
    }
}

impl From<Observation> for CallResult {
    fn from(observation: Observation) -> Self {
        let text = observation.text();
        let is_error = observation.is_error();
        let structured_content = match observation {
            Observation::Completed(value) => Some(value),
            Observation::Rejected { .. } | Observation::InvalidArguments { .. } => None,
        };
        Self { content: [Text { text }], structured_content, is_error }
    }
}

impl From<CallResult> for CallToolResult {
    fn from(result: CallResult) -> Self {
        let CallResult { content: [Text { text }], structured_content, is_error } = result;
        let content = vec![ContentBlock::text(text)];
        // The constructors set `resultType: complete`, which a deserialised result would lack.
        let mut result = if is_error { Self::error(content) } else { Self::success(content) };
        result.structured_content = structured_content;
        result
    }
}

impl From<CallFailure> for ErrorData {
    fn from(failure: CallFailure) -> Self {
        let message = failure.to_string();
        match failure {
            CallFailure::UnknownTool { suggestion, .. } => {
                let suggestions: Vec<String> = suggestion.into_iter().collect();
                Self::invalid_params(message, Some(json!({"suggestions": suggestions})))
            }
            CallFailure::Faulted | CallFailure::Unrecorded => Self::internal_error(message, None),
            CallFailure::NoEpisode => Self::invalid_request(message, None),
        }
    }
}

/// The environment's tools as `tools/list` has them, in the package's order.
pub(super) fn tools(environment: &Environment) -> Vec<Tool> {
    environment.tools().values().map(tool).collect()
}

/// One tool as `tools/list` has it. The schemas are shared, not copied.
pub(super) fn tool(tool: &environment::Tool) -> Tool {
    let Annotations { read_only, destructive, idempotent, open_world } = tool.annotations();
    let annotations = ToolAnnotations::from_raw(
        Some(tool.title().to_owned()),
        Some(read_only),
        Some(destructive),
        Some(idempotent),
        Some(open_world),
    );
    Tool::new(tool.name().to_string(), tool.description().to_owned(), Arc::clone(tool.input_schema()))
        .with_title(tool.title())
        .with_raw_output_schema(Arc::clone(tool.output_schema()))
        .with_annotations(annotations)
}

/// The environment's tools as JSON, exactly as `tools/list` has them.
pub fn describe_tools(environment: &Environment) -> Value {
    tools(environment).iter().filter_map(|tool| serde_json::to_value(tool).ok()).collect()
}
