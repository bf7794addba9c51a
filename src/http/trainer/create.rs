//! Making episodes: by specs, thousands at once, or as copies of one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use axum::extract::State;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::super::Front;
use super::super::auth::Caller;
use super::super::body::{EpisodePath, JsonBody, OptionalJsonBody};
use super::super::endpoint::Created;
use super::super::error::{ApiError, Code, Problem};
use super::view::EpisodeView;
use super::{BaseUrl, task_name};
use crate::config::EPISODES_PER_REQUEST_MAX;
use crate::engine::environment::Environment;
use crate::farm::{EpisodeSpec, Farm};

/// What to create: `count` episodes that are all alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EpisodeRequest {
    /// The environment's name.
    environment: String,
    /// The task's name; free play without.
    #[serde(default)]
    task: Option<String>,
    /// Seed of the episode's randomness; 0 without.
    #[serde(default)]
    seed: Option<u64>,
    /// Id of the actor; the task's or the environment's without.
    #[serde(default)]
    actor: Option<Value>,
    /// How many; 1 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = EPISODES_PER_REQUEST_MAX))]
    count: Option<usize>,
}

/// Several specs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used; the specs are read one by one, to say what is wrong with each")]
struct EpisodeBatch {
    /// The specs; all or none are created.
    #[schemars(length(min = 1, max = EPISODES_PER_REQUEST_MAX))]
    episodes: Vec<EpisodeRequest>,
}

/// What `POST /episodes` takes: one spec, or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum CreateShapes {
    One(EpisodeRequest),
    Many(EpisodeBatch),
}

/// What `POST /episodes` takes, its specs not yet looked at.
#[derive(Debug)]
pub(in crate::http) struct CreateRequest {
    specs: Vec<Value>,
    /// Whether they came as a list, and so have indexes.
    listed: bool,
}

impl<'de> Deserialize<'de> for CreateRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        match members.remove("episodes") {
            None => Ok(Self { specs: vec![Value::Object(members)], listed: false }),
            Some(Value::Array(specs)) if members.is_empty() && !specs.is_empty() => Ok(Self { specs, listed: true }),
            Some(_) => Err(D::Error::custom(
                "`episodes` is a list of one or more specs, and stands alone: each spec has its own `environment`, `count`, ..",
            )),
        }
    }
}

impl JsonSchema for CreateRequest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CreateRequest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        CreateShapes::json_schema(generator)
    }
}

/// Episodes that were made.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct CreatedEpisodes {
    /// The episodes, in the order of their specs.
    episodes: Vec<EpisodeView>,
}

/// `POST /episodes`.
pub(in crate::http) async fn create(
    State(front): State<Front>,
    caller: Caller,
    base_url: BaseUrl,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<Created<CreatedEpisodes>, ApiError> {
    // Environments may have to be loaded for it.
    front.aside(move |front| create_all(front, &caller, request, &base_url)).await?.map(Created)
}

fn create_all(
    front: &Front,
    caller: &Caller,
    request: CreateRequest,
    base_url: &BaseUrl,
) -> Result<CreatedEpisodes, ApiError> {
    let farm = &front.farm;
    let groups = checked(farm, request)?;
    let specs = groups.iter().flat_map(|(spec, count)| std::iter::repeat_n(spec, *count)).cloned().collect();
    let ids = front.create(caller, specs)?;
    // Fresh episodes of the same task and actor differ in their seeds and ids alone; what they are is found out once.
    let mut views: HashMap<_, EpisodeView> = HashMap::new();
    let mut episodes = Vec::with_capacity(ids.len());
    let wanted = groups.iter().flat_map(|(spec, count)| std::iter::repeat_n(spec, *count));
    for (id, spec) in ids.into_iter().zip(wanted) {
        let kind = (&spec.environment, &spec.task, spec.actor.as_ref().map(Value::to_string));
        let view = match views.entry(kind) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(EpisodeView::of(farm, &*farm.episode(&id)?, base_url)?),
        };
        episodes.push(view.alike(id, spec.seed, base_url));
    }
    Ok(CreatedEpisodes { episodes })
}

/// The specs with how many of each are wanted, or all that is wrong with any of them.
fn checked(farm: &Farm, request: CreateRequest) -> Result<Vec<(EpisodeSpec, usize)>, ApiError> {
    let mut checker = Checker { farm, environments: HashMap::new(), problems: Vec::new() };
    let mut groups = Vec::with_capacity(request.specs.len());
    for (index, spec) in request.specs.into_iter().enumerate() {
        groups.extend(checker.check(index, spec));
    }
    let problems = checker.problems;
    if !problems.is_empty() {
        return Err(ApiError::of_problems(problems, request.listed));
    }
    let total = groups.iter().fold(0_usize, |total, (_, count)| total.saturating_add(*count));
    if total > EPISODES_PER_REQUEST_MAX {
        let message = format!("that is {total} episodes; one request makes at most {EPISODES_PER_REQUEST_MAX}");
        return Err(ApiError::new(Code::InvalidBody, message));
    }
    Ok(groups)
}

/// Looks for what is wrong with specs. Each environment is looked up once, since many specs name the same.
struct Checker<'f> {
    farm: &'f Farm,
    environments: HashMap<String, Result<Arc<Environment>, ApiError>>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn check(&mut self, index: usize, spec: Value) -> Option<(EpisodeSpec, usize)> {
        let request = EpisodeRequest::deserialize(spec)
            .map_err(|err| ApiError::new(Code::InvalidBody, format!("the body isn't what this endpoint takes: {err}")));
        let EpisodeRequest { environment, task, seed, actor, count } = self.noted(index, request)?;
        let count = count.unwrap_or(1);
        let in_range = (1..=EPISODES_PER_REQUEST_MAX).contains(&count);
        let count = in_range.then_some(count).ok_or_else(|| {
            ApiError::new(Code::InvalidBody, format!("count must be from 1 to {EPISODES_PER_REQUEST_MAX}"))
        });
        let count = self.noted(index, count);
        let environment = self.environment(environment);
        let environment = self.noted(index, environment)?;
        let task = task.map(|task| task_name(&environment, &task)).transpose();
        let task = self.noted(index, task);
        let actor = actor.map(|actor| known_actor(&environment, actor)).transpose();
        let actor = self.noted(index, actor);
        let spec = EpisodeSpec {
            environment: environment.name().clone(),
            task: task?,
            seed: seed.unwrap_or_default(),
            actor: actor?,
            owner: None,
        };
        Some((spec, count?))
    }

    fn environment(&mut self, name: String) -> Result<Arc<Environment>, ApiError> {
        let farm = self.farm;
        let find = |name: &String| farm.environment(name).map_err(ApiError::from);
        self.environments.entry(name).or_insert_with_key(find).clone()
    }

    fn noted<T>(&mut self, index: usize, found: Result<T, ApiError>) -> Option<T> {
        found.map_err(|err| self.problems.push(err.into_problem(index))).ok()
    }
}

fn known_actor(environment: &Environment, actor: Value) -> Result<Value, ApiError> {
    if environment.actor(&actor).is_some() {
        return Ok(actor);
    }
    let name = environment.name();
    let message = format!("the environment {name} has no such actor; GET /environments/{name} lists them");
    Err(ApiError::new(Code::UnknownActor, message))
}

/// What `POST /episodes/{id}/fork` takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ForkRequest {
    /// How many copies; 1 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = EPISODES_PER_REQUEST_MAX))]
    count: Option<usize>,
}

/// `POST /episodes/{id}/fork`.
pub(in crate::http) async fn fork(
    State(front): State<Front>,
    caller: Caller,
    EpisodePath(id): EpisodePath,
    base_url: BaseUrl,
    OptionalJsonBody(request): OptionalJsonBody<ForkRequest>,
) -> Result<Created<CreatedEpisodes>, ApiError> {
    let count = request.count.unwrap_or(1);
    if !(1..=EPISODES_PER_REQUEST_MAX).contains(&count) {
        let message = format!("count must be from 1 to {EPISODES_PER_REQUEST_MAX}");
        return Err(ApiError::new(Code::InvalidBody, message));
    }
    let forked = front.aside(move |front| {
        let farm = &front.farm;
        let forks = front.within_quota(&caller, count, || farm.fork(&id, count))?;
        let mut episodes = Vec::with_capacity(forks.len());
        if let Some(first) = forks.first() {
            let view = EpisodeView::of(farm, &*farm.episode(first)?, &base_url)?;
            episodes.extend(forks.iter().map(|id| view.alike(*id, view.seed(), &base_url)));
        }
        Ok::<_, ApiError>(CreatedEpisodes { episodes })
    });
    forked.await?.map(Created)
}
