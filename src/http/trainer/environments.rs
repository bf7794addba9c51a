//! Environments: what there is to train in.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Front;
use super::super::body::{EnvironmentPath, Parameters};
use super::super::error::ApiError;
use super::{BaseUrl, page};
use crate::farm::{EnvironmentListing, Farm};
use crate::id::EnvironmentName;
use crate::mcp;

/// What `GET /environments` takes in its query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EnvironmentsQuery {
    /// Entries at most; 100 without.
    #[serde(default)]
    #[schemars(with = "usize", range(min = 1, max = page::LIMIT_MAX))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schemars(with = "String")]
    cursor: Option<String>,
}

/// Some environments, sorted by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EnvironmentsPage {
    /// The environments.
    environments: Vec<EnvironmentEntry>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// An environment in a list, or why it can't be loaded.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum EnvironmentEntry {
    Good(EnvironmentSummary),
    Bad {
        /// Its name.
        name: String,
        /// Why it can't be loaded.
        error: String,
    },
}

/// What a list says of an environment, from its files as they are: that they also compile shows when it is first used.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EnvironmentSummary {
    /// Its name.
    #[schemars(with = "String")]
    name: EnvironmentName,
    /// Short name for people.
    title: String,
    /// One sentence.
    summary: String,
    /// The field it models.
    domain: String,
    /// The blueprint it was made from, with others; null where it wasn't.
    family: Option<String>,
    /// Number of tools.
    tools: usize,
    /// Number of tasks.
    tasks: usize,
    /// SHA-256 of the package's files, in hexadecimal.
    digest: String,
    /// Where an agent can play in it.
    mcp_url: String,
}

impl EnvironmentSummary {
    fn of(listing: &EnvironmentListing, base_url: &BaseUrl) -> Self {
        Self {
            name: listing.name.clone(),
            title: listing.title.clone(),
            summary: listing.summary.clone(),
            domain: listing.domain.clone(),
            family: listing.family.clone(),
            tools: listing.tools,
            tasks: listing.tasks.len(),
            digest: listing.digest.clone(),
            mcp_url: format!("{}/envs/{}/mcp", base_url.0, listing.name),
        }
    }
}

/// `GET /environments`.
pub(in crate::http) async fn list(
    State(front): State<Front>,
    base_url: BaseUrl,
    Parameters(query): Parameters<EnvironmentsQuery>,
) -> Result<Json<EnvironmentsPage>, ApiError> {
    let limit = page::limit(query.limit)?;
    let after = page::place(query.cursor.as_deref(), |name| EnvironmentName::parse(name).ok())?;
    Ok(Json(front.aside(move |front| entries(&front.farm, after.as_ref(), limit, &base_url)).await?))
}

fn entries(farm: &Farm, after: Option<&EnvironmentName>, limit: usize, base_url: &BaseUrl) -> EnvironmentsPage {
    let mut names = farm.environment_names().filter(|name| after.is_none_or(|after| *name > after)).peekable();
    let mut environments = Vec::new();
    let mut last = None;
    for name in names.by_ref().take(limit) {
        environments.push(match farm.listing(name.as_ref()) {
            Ok(listing) => EnvironmentEntry::Good(EnvironmentSummary::of(&listing, base_url)),
            Err(err) => EnvironmentEntry::Bad { name: name.to_string(), error: err.to_string() },
        });
        last = Some(name);
    }
    let next_cursor = last.filter(|_| names.peek().is_some()).map(|name| page::cursor(name.as_ref()));
    EnvironmentsPage { environments, next_cursor }
}

/// An environment.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EnvironmentView {
    /// What a list says of it.
    #[serde(flatten)]
    summary: EnvironmentSummary,
    /// Number of tables.
    tables: usize,
    /// Number of rows at the start.
    rows: usize,
    /// House rules an agent reads before it acts.
    instructions: String,
    /// Everyone an episode can act as.
    actors: Vec<ActorView>,
    /// The actor where neither the episode nor the task names one.
    default_actor: Value,
}

/// Someone an episode can act as.
#[derive(Debug, Serialize, JsonSchema)]
struct ActorView {
    /// The id.
    id: Value,
    /// The name an agent is told.
    name: String,
}

/// `GET /environments/{name}`.
pub(in crate::http) async fn get(
    State(front): State<Front>,
    EnvironmentPath(environment): EnvironmentPath,
    base_url: BaseUrl,
) -> Result<Json<EnvironmentView>, ApiError> {
    let name = environment.name().clone();
    let listing = front.aside(move |front| front.farm.listing(name.as_ref())).await??;
    let actors = environment.actors().iter();
    Ok(Json(EnvironmentView {
        summary: EnvironmentSummary::of(&listing, &base_url),
        tables: environment.tables(),
        rows: environment.rows(),
        instructions: environment.instructions().to_owned(),
        actors: actors.map(|actor| ActorView { id: actor.id.clone(), name: actor.name.clone() }).collect(),
        default_actor: environment.default_actor().clone(),
    }))
}

/// An environment's tools.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Tools {
    /// As in MCP's `tools/list`.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    tools: Value,
}

/// `GET /environments/{name}/tools`.
pub(in crate::http) async fn tools(EnvironmentPath(environment): EnvironmentPath) -> Result<Json<Tools>, ApiError> {
    Ok(Json(Tools { tools: mcp::describe_tools(&environment) }))
}
