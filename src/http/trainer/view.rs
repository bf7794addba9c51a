//! An episode as its trainer sees it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::super::error::ApiError;
use super::{BaseUrl, call_error};
use crate::engine::verify::Verdict;
use crate::episode::EpisodeState;
use crate::farm::{EpisodeSummary, Farm, LiveEpisode};
use crate::id::{EnvironmentName, EpisodeId, TaskName};

/// What an episode is, for its trainer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::http) struct EpisodeView {
    /// `ep_` and 32 hexadecimal digits. Whoever knows it may act in the episode.
    #[schemars(with = "String")]
    id: EpisodeId,
    /// The environment's name.
    #[schemars(with = "String")]
    environment: EnvironmentName,
    /// The task's name; null in free play.
    #[schemars(with = "Option<String>")]
    task: Option<TaskName>,
    /// Seed of its randomness.
    seed: u64,
    /// Id of the signed-in actor.
    actor: Value,
    /// Where it is in its life.
    state: EpisodeState,
    /// Calls answered so far, those included that were refused or had invalid arguments.
    calls: usize,
    /// `sha256:` and hexadecimal digits, over the package and every row that differs from the start: episodes with equal rows
    /// have equal digests, however they came by them. Null where the state is lost (see `state`).
    #[serde(serialize_with = "optional_text")]
    #[schemars(with = "Option<String>")]
    digest: Option<Arc<str>>,
    /// Seconds until it expires unless somebody asks for it.
    expires_in_s: u64,
    /// 1.0 or 0.0 once it is judged; null before, and where the environment failed.
    reward: Option<f64>,
    /// The verdict, once it is judged.
    verdict: Option<Verdict>,
    /// What the agent is asked; null in free play.
    #[serde(serialize_with = "optional_text")]
    #[schemars(with = "Option<String>")]
    instruction: Option<Arc<str>>,
    /// What the agent reads beside it: house rules, who is signed in, date and time.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    context: Arc<str>,
    /// Where an agent connects.
    mcp_url: String,
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn optional_text<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

impl EpisodeView {
    /// Reads rows, so it may take milliseconds.
    pub(super) fn of(farm: &Farm, live: &LiveEpisode, base_url: &BaseUrl) -> Result<Self, ApiError> {
        let id = live.id();
        // A copy shares its pages: rows are read without holding up the episode's calls.
        let episode = live.lock().clone();
        Ok(Self {
            id,
            environment: episode.environment().name().clone(),
            task: episode.task().map(|task| task.name().clone()),
            seed: episode.seed(),
            actor: episode.actor().clone(),
            state: episode.state(),
            calls: episode.calls(),
            digest: Some(episode.digest().map_err(call_error)?.into()),
            // Rounded up: an episode that was just asked for has all its time.
            expires_in_s: farm.expires_in(live).as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX),
            reward: episode.verdict().and_then(|verdict| verdict.reward),
            verdict: episode.verdict().cloned(),
            instruction: episode.instruction().map(Arc::from),
            context: episode.context().into(),
            mcp_url: mcp_url(base_url, id),
        })
    }

    /// An episode of which the journal knows that it was, and whose package has changed since: it is faulted.
    pub(super) fn of_lost(summary: EpisodeSummary, base_url: &BaseUrl) -> Self {
        let EpisodeSummary { id, environment, task, seed, state, calls, expires_in_s } = summary;
        Self {
            id,
            environment,
            task,
            seed,
            actor: Value::Null,
            state,
            calls,
            digest: None,
            expires_in_s,
            reward: None,
            verdict: None,
            instruction: None,
            context: Arc::from(""),
            mcp_url: mcp_url(base_url, id),
        }
    }

    /// Seed of its randomness.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The same of another episode that is like this one but for its id and seed.
    pub(super) fn alike(&self, id: EpisodeId, seed: u64, base_url: &BaseUrl) -> Self {
        Self { id, seed, mcp_url: mcp_url(base_url, id), ..self.clone() }
    }
}

fn mcp_url(base_url: &BaseUrl, id: EpisodeId) -> String {
    format!("{}/episodes/{id}/mcp", base_url.0)
}
