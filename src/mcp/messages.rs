//! What MCP says about tools and their results, from what the core says.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{CacheScope, CallToolResult, ContentBlock, ListToolsResult, Tool, ToolAnnotations};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::CACHE_TTL_MS;
use crate::engine::environment::{self, Annotations, Environment};
use crate::engine::state::Observation;
use crate::episode::CallError;

/// The result object of `tools/call`; REST's `/calls` answers with the same one. The observation is its one block of text
/// and, where the call completed, its structured content: a refusal has none, since clients validate `structuredContent`
/// against the tool's outputSchema even where `isError` is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult {
    /// The observation as compact JSON.
    text: String,
    /// True where the call was refused; nothing has changed then.
    is_error: bool,
}

impl Serialize for CallResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut result = serializer.serialize_struct("CallResult", 3)?;
        result.serialize_field("content", &[Text { text: &self.text }])?;
        if self.is_error {
            result.skip_field("structuredContent")?;
        } else {
            let raw: &RawValue = serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
            result.serialize_field("structuredContent", raw)?;
        }
        result.serialize_field("isError", &self.is_error)?;
        result.end()
    }
}

/// What [`CallResult`] is written as, for its schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Shape {
    /// The observation as compact JSON text.
    content: [Text<'static>; 1],
    /// The observation, where the call completed.
    #[schemars(skip_serializing_if = "Option::is_none")]
    structured_content: Option<Map<String, Value>>,
    /// True where the call was refused; nothing has changed then.
    is_error: bool,
}

impl JsonSchema for CallResult {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CallResult".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Shape::json_schema(generator)
    }
}

/// A text block of a result.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename = "text")]
struct Text<'a> {
    text: &'a str,
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
        Self { text: json!({"error": {"code": code, "message": message}}).to_string(), is_error: true }
    }

    /// Writes the members of the result object, as [`Serialize`] would, without reading the text again.
    pub(super) fn write_members(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""content":[{"type":"text","text":"#);
        write_string(out, &self.text);
        out.extend_from_slice(b"}]");
        if !self.is_error {
            out.extend_from_slice(br#","structuredContent":"#);
            out.extend_from_slice(self.text.as_bytes());
        }
        out.extend_from_slice(if self.is_error { br#","isError":true"# } else { br#","isError":false"# });
    }

    /// How long the members will be, about: twice the text, and the escapes of its quotes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() * 5 / 2 + 96
    }
}

/// Writes a string as JSON.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    // A string doesn't fail to serialize, nor does a vector refuse to grow.
    let _ = serde_json::to_writer(out, text);
}

impl From<Observation> for CallResult {
    fn from(observation: Observation) -> Self {
        Self { is_error: observation.is_error(), text: observation.into_text() }
    }
}

impl From<CallResult> for CallToolResult {
    fn from(result: CallResult) -> Self {
        let CallResult { text, is_error } = result;
        let structured_content = if is_error { None } else { serde_json::from_str(&text).ok() };
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

/// The result of `tools/list` as every client gets it.
pub(super) fn listing(environment: &Environment) -> ListToolsResult {
    ListToolsResult::with_all_items(tools(environment)).with_ttl_ms(CACHE_TTL_MS).with_cache_scope(CacheScope::Public)
}

/// The members that this result has in both eras, as text without brackets.
pub(super) fn listing_members(environment: &Environment) -> String {
    let mut listing = listing(environment);
    listing.result_type = None;
    // Texts, numbers and schemas don't fail to serialize.
    let object = serde_json::to_string(&listing).unwrap_or_default();
    object.trim_start_matches('{').strip_suffix('}').unwrap_or_default().to_owned()
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
