//! Listing episodes, in pages.

use std::sync::PoisonError;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Farm, Held};
use crate::episode::EpisodeState;
use crate::id::{EnvironmentName, EpisodeId, TaskName, TokenName};

/// Which episodes to list; what is absent matches all.
#[derive(Debug, Clone, Default)]
pub struct EpisodeFilter {
    /// Of this environment.
    pub environment: Option<EnvironmentName>,
    /// In this state.
    pub state: Option<EpisodeState>,
    /// Made with this token.
    pub owner: Option<TokenName>,
}

/// What a list says of an episode. It doesn't wake one that sleeps, so it has nothing that would need that.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EpisodeSummary {
    /// Its id.
    #[schemars(with = "String")]
    pub id: EpisodeId,
    /// Its environment.
    #[schemars(with = "String")]
    pub environment: EnvironmentName,
    /// Its task; none in free play.
    #[schemars(with = "Option<String>")]
    pub task: Option<TaskName>,
    /// Its seed.
    pub seed: u64,
    /// Where it is in its life.
    pub state: EpisodeState,
    /// Calls answered so far, refused ones included.
    pub calls: usize,
    /// Seconds until it expires unless somebody asks for it.
    pub expires_in_s: u64,
}

impl EpisodeFilter {
    fn matches(&self, held: &Held) -> bool {
        let environment = match held {
            Held::Awake(live) => live.environment().name(),
            Held::Asleep(sleeper) => &sleeper.origin.environment,
        };
        self.environment.as_ref().is_none_or(|name| name == environment)
            && self.owner.as_ref().is_none_or(|name| Some(name) == held.owner())
            && self.state.is_none_or(|state| state == held.times().state())
    }
}

impl Held {
    fn owner(&self) -> Option<&TokenName> {
        match self {
            Self::Awake(live) => live.owner(),
            Self::Asleep(sleeper) => sleeper.owner.as_ref(),
        }
    }
}

impl Farm {
    /// Up to `limit` episodes in the order of their ids, beginning behind `after`.
    pub fn list(&self, filter: &EpisodeFilter, after: Option<EpisodeId>, limit: usize) -> Vec<EpisodeSummary> {
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        let behind = |id: &EpisodeId| after.is_none_or(|after| *id > after);
        let mut found: Vec<(EpisodeId, Held)> = episodes
            .iter()
            .filter(|(id, held)| behind(id) && filter.matches(held))
            .map(|(id, held)| (*id, held.clone()))
            .collect();
        drop(episodes);
        if found.len() > limit {
            found.select_nth_unstable_by_key(limit, |(id, _)| *id);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        found.iter().map(|(_, held)| self.summary(held)).collect()
    }

    /// How many episodes match.
    pub fn count(&self, filter: &EpisodeFilter) -> usize {
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        episodes.values().filter(|held| filter.matches(held)).count()
    }

    /// Name of the token that made an episode. Asking neither wakes it nor keeps it from expiring.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn owner(&self, id: &EpisodeId) -> Result<Option<TokenName>, super::FarmError> {
        self.require_ready()?;
        let episodes = self.episodes.read().unwrap_or_else(PoisonError::into_inner);
        let held = episodes.get(id).ok_or(super::FarmError::UnknownEpisode)?;
        Ok(held.owner().cloned())
    }

    /// What a list says of an episode, which isn't woken for it.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn summary_of(&self, id: &EpisodeId) -> Result<EpisodeSummary, super::FarmError> {
        Ok(self.summary(&self.held(id)?))
    }

    fn summary(&self, held: &Held) -> EpisodeSummary {
        let (state, expires_in_s) = (held.times().state(), self.remaining(held.times()).as_secs());
        match held {
            Held::Awake(live) => {
                let episode = live.lock();
                EpisodeSummary {
                    id: live.id(),
                    environment: live.environment().name().clone(),
                    task: episode.task().map(|task| task.name().clone()),
                    seed: episode.seed(),
                    state,
                    calls: episode.calls(),
                    expires_in_s,
                }
            }
            Held::Asleep(sleeper) => EpisodeSummary {
                id: sleeper.id,
                environment: sleeper.origin.environment.clone(),
                task: sleeper.task.clone(),
                seed: sleeper.seed,
                state,
                calls: sleeper.calls,
                expires_in_s,
            },
        }
    }
}
