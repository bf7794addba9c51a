//! JSON Schemas of the REST bodies, for `envfarm schemas`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::json;

use super::trainer::{CallRequest, CreateRequest, EpisodeView, VerifyRequest};
use crate::engine::verify::Verdict;

/// Answer to `POST /episodes`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used; the answer is written in place")]
struct CreateResponse {
    /// The episodes, as many as were asked for.
    episodes: Vec<EpisodeView>,
}

/// Answer to every request that fails.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used; errors are written in place")]
struct ErrorResponse {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used; errors are written in place")]
struct ErrorDetail {
    /// Stable `snake_case` name.
    code: String,
    /// For people.
    message: String,
}

const DESCRIPTION: &str = "POST /episodes takes CreateRequest and answers CreateResponse; GET /episodes/{id} and POST \
/episodes/{id}/reset answer EpisodeView; POST /episodes/{id}/calls takes CallRequest and answers the result object of MCP's \
tools/call; POST /episodes/{id}/verify takes VerifyRequest and answers Verdict; whatever fails answers ErrorResponse.";

/// One document whose definitions are the bodies.
pub(crate) fn rest() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let bodies = [
        generator.subschema_for::<CreateRequest>(),
        generator.subschema_for::<CreateResponse>(),
        generator.subschema_for::<EpisodeView>(),
        generator.subschema_for::<CallRequest>(),
        generator.subschema_for::<VerifyRequest>(),
        generator.subschema_for::<Verdict>(),
        generator.subschema_for::<ErrorResponse>(),
    ];
    let mut schema = Schema::default();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Bodies of the REST API"));
    schema.insert("description".to_owned(), json!(DESCRIPTION));
    schema.insert("anyOf".to_owned(), json!(bodies));
    schema.insert("$defs".to_owned(), json!(generator.take_definitions(true)));
    schema
}
