//! An endpoint: a route together with what it takes and answers, read off its handler's types. The router and the OpenAPI
//! document are made from the same endpoints, and a handler can't take or answer what its description doesn't have.

use std::collections::BTreeMap;
use std::future::Future;

use axum::Json;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Front;
use super::auth::Caller;
use super::body::{EnvironmentNamePath, EnvironmentPath, EpisodePath, JsonBody, OptionalJsonBody, Parameters};
use super::error::{ApiError, Code, ErrorResponse};

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// With its parameters in braces, which is how axum and OpenAPI both write it.
    pub(super) path: &'static str,
    pub(super) route: MethodRouter<Front>,
    /// What an error means here, besides what its code says.
    pub(super) errors: &'static [Code],
    pub(super) about: About,
    describe: fn(&mut Description<'_>),
}

/// What people read about an endpoint.
pub(super) struct About {
    /// Unique; names the operation in generated clients.
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
}

impl Endpoint {
    /// An endpoint whose description is that of its handler's parameters and result.
    pub(super) fn new<H, T, A>(method: Method, path: &'static str, about: About, handler: H) -> Self
    where
        H: Handler<T, Front> + Operate<A>,
        T: 'static,
    {
        Self::described(method, path, about, handler, H::describe)
    }

    /// An endpoint described by hand.
    pub(super) fn described<H, T>(
        method: Method,
        path: &'static str,
        about: About,
        handler: H,
        describe: fn(&mut Description<'_>),
    ) -> Self
    where
        H: Handler<T, Front>,
        T: 'static,
    {
        // All methods that are used have a filter.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self { method, path, route: on(filter, handler), errors: &[], about, describe }
    }

    /// Errors that the handler's parameters don't tell of.
    pub(super) fn errors(mut self, errors: &'static [Code]) -> Self {
        self.errors = errors;
        self
    }

    /// What it takes and answers.
    pub(super) fn describe<'s>(&self, schemas: &'s mut Schemas) -> Description<'s> {
        let mut description =
            Description { parameters: Vec::new(), body: None, answers: BTreeMap::new(), errors: Vec::new(), schemas };
        (self.describe)(&mut description);
        description.errors.extend(self.errors);
        description
    }
}

/// What an endpoint takes and answers, in OpenAPI's terms.
pub(super) struct Description<'s> {
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    /// Successes, by status.
    pub(super) answers: BTreeMap<String, Value>,
    pub(super) errors: Vec<Code>,
    pub(super) schemas: &'s mut Schemas,
}

impl Description<'_> {
    pub(super) fn parameter(&mut self, place: &str, name: &str, text: &str, schema: &Value) {
        let mut parameter = json!({"name": name, "in": place, "description": text, "schema": schema});
        if place == "path" {
            parameter["required"] = json!(true);
        }
        self.parameters.push(parameter);
    }

    /// The members of `T` as parameters of the query.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        let mut settings = settings();
        settings.inline_subschemas = true;
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        for (name, mut schema) in properties {
            let text = schema.as_object_mut().and_then(|schema| {
                // What is left out has no value at all; the width of a number of ours says nothing to others.
                schema.retain(|keyword, value| !(keyword == "default" && value.is_null()) && keyword != "format");
                schema.remove("description")
            });
            self.parameter("query", &name, text.as_ref().and_then(Value::as_str).unwrap_or_default(), &schema);
        }
        self.errors.push(Code::InvalidUrl);
    }

    fn body<T: JsonSchema>(&mut self, required: bool) {
        let schema = self.schemas.taken.subschema_for::<T>();
        self.body = Some(json!({"required": required, "content": {"application/json": {"schema": schema}}}));
        self.errors.extend([
            Code::MalformedJson,
            Code::InvalidBody,
            Code::BodyTooLarge,
            Code::BodyIncomplete,
            Code::UnsupportedMediaType,
        ]);
    }

    /// A success with these contents, by media type; none for an empty one.
    pub(super) fn answer(&mut self, status: StatusCode, content: &Map<String, Value>) {
        let mut answer = json!({"description": status.canonical_reason().unwrap_or_default()});
        if !content.is_empty() {
            answer["content"] = json!(content);
        }
        self.answers.insert(status.as_str().to_owned(), answer);
    }

    fn answer_json<T: JsonSchema>(&mut self, status: StatusCode) {
        let schema = self.schemas.given.subschema_for::<T>();
        self.answer(status, &content(&[("application/json", json!(schema))]));
    }
}

/// Media types with the schemas of what they hold.
pub(super) fn content(types: &[(&str, Value)]) -> Map<String, Value> {
    types.iter().map(|(media_type, schema)| ((*media_type).to_owned(), json!({"schema": schema}))).collect()
}

/// The schemas of everything that is sent, by name. What is taken and what is given differ where a member may be left out.
pub(super) struct Schemas {
    taken: SchemaGenerator,
    pub(super) given: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        Self { taken: settings().into_generator(), given: settings().for_serialize().into_generator() }
    }

    /// An error with one of these codes.
    pub(super) fn error(&mut self, codes: &[&str]) -> Value {
        let mut schema = json!(self.given.subschema_for::<ErrorResponse>());
        schema["properties"] = json!({"error": {"properties": {"code": {"enum": codes}}}});
        schema
    }

    /// All that were used, by name.
    pub(super) fn into_definitions(mut self) -> BTreeMap<String, Value> {
        let taken = self.taken.take_definitions(true);
        let given = self.given.take_definitions(true);
        given.into_iter().chain(taken).collect()
    }
}

fn settings() -> SchemaSettings {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings
}

/// Something that a handler takes.
pub(super) trait Input {
    fn describe(_: &mut Description<'_>) {}
}

impl Input for State<Front> {}

impl Input for HeaderMap {}

impl Input for Caller {}

impl Input for EpisodePath {
    fn describe(description: &mut Description<'_>) {
        let schema = json!({"type": "string", "pattern": "^ep_[0-9a-f]{32}$"});
        description.parameter("path", "id", "The episode's id.", &schema);
        let errors = [Code::InvalidUrl, Code::UnknownEpisode, Code::Recovering, Code::EpisodeFaulted];
        description.errors.extend(errors);
    }
}

impl Input for EnvironmentPath {
    fn describe(description: &mut Description<'_>) {
        describe_environment_name(description);
    }
}

impl Input for EnvironmentNamePath {
    fn describe(description: &mut Description<'_>) {
        describe_environment_name(description);
    }
}

/// The environment's name in a path.
pub(super) fn describe_environment_name(description: &mut Description<'_>) {
    description.parameter("path", "name", "The environment's name.", &json!({"type": "string"}));
    description.errors.extend([Code::InvalidUrl, Code::UnknownEnvironment, Code::InvalidPackage]);
}

impl<T: JsonSchema> Input for Parameters<T> {
    fn describe(description: &mut Description<'_>) {
        description.query::<T>();
    }
}

impl<T: JsonSchema> Input for JsonBody<T> {
    fn describe(description: &mut Description<'_>) {
        description.body::<T>(true);
    }
}

impl<T: JsonSchema> Input for OptionalJsonBody<T> {
    fn describe(description: &mut Description<'_>) {
        description.body::<T>(false);
    }
}

/// Something that a handler answers.
pub(super) trait Answer: IntoResponse {
    fn describe(description: &mut Description<'_>);
}

impl<T: Serialize + JsonSchema> Answer for Json<T> {
    fn describe(description: &mut Description<'_>) {
        description.answer_json::<T>(StatusCode::OK);
    }
}

/// 201 and what was made.
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: Serialize + JsonSchema> Answer for Created<T> {
    fn describe(description: &mut Description<'_>) {
        description.answer_json::<T>(StatusCode::CREATED);
    }
}

/// 204.
pub(super) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answer for NoContent {
    fn describe(description: &mut Description<'_>) {
        description.answer(StatusCode::NO_CONTENT, &Map::new());
    }
}

/// JSON that no type of ours describes.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct AnyObject(pub(super) Value);

impl JsonSchema for AnyObject {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnyObject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object"})
    }
}

/// A handler whose parameters and result describe themselves.
pub(super) trait Operate<A> {
    fn describe(description: &mut Description<'_>);
}

macro_rules! operate {
    ($($input:ident),*) => {
        impl<F, Fut, R, $($input),*> Operate<($($input,)*)> for F
        where
            F: Fn($($input),*) -> Fut,
            Fut: Future<Output = Result<R, ApiError>>,
            R: Answer,
            $($input: Input,)*
        {
            fn describe(description: &mut Description<'_>) {
                $($input::describe(description);)*
                R::describe(description);
            }
        }
    };
}

operate!();
operate!(A1);
operate!(A1, A2);
operate!(A1, A2, A3);
operate!(A1, A2, A3, A4);
operate!(A1, A2, A3, A4, A5);
