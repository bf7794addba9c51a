//! An agent without a plan: calls whatever there is, with arguments that are mostly valid.

use std::sync::Arc;

use serde_json::Value;

use super::Walk;
use super::choose::Chooser;
use super::corpus::Entry;
use super::random::Random;
use crate::engine::environment::Environment;
use crate::engine::solution::scalars;
use crate::engine::state::{Conditions, Observation, State};

/// Calls it makes: as many as a task of medium difficulty takes, and some that go astray.
const CALLS: usize = 8;

/// Where an agent without a plan has ended.
#[derive(Debug)]
pub(crate) struct Wandered {
    /// The state it has left.
    pub state: State,
    /// Every scalar it has seen.
    pub seen: Vec<Value>,
}

impl Walk {
    /// Wanders from the initial state, with tools that only read or with all.
    pub(crate) fn wander(
        &self,
        environment: &Environment,
        conditions: &Conditions,
        seed: u64,
        read_only: bool,
    ) -> Wandered {
        let mut random = Random::new(seed);
        // The walk has read the rows of its starts already.
        let start = self.corpus.starts.iter().find(|start| start.conditions == *conditions).cloned();
        let mut entry = start.unwrap_or_else(|| Entry::start(environment, conditions.clone(), State::default()));
        let tools = environment.tools().values().enumerate();
        let tools: Vec<usize> =
            tools.filter(|(_, tool)| !read_only || tool.program().read_only()).map(|(index, _)| index).collect();
        let mut seen = Vec::new();
        for _ in 0..CALLS {
            let Some(index) = random.pick(&tools).copied() else { break };
            let arguments = Chooser {
                environment,
                reader: &self.ground.reader,
                entry: &entry,
                notes: &entry.notes,
                mentioned: &[],
                random: &mut random,
                chosen_time: None,
            }
            .arguments(&self.ground.guides[index]);
            let tool = &environment.tools()[index];
            let mut state = entry.state.clone();
            let Ok(called) = state.call(environment, conditions, tool, &arguments, None) else { continue };
            let Observation::Completed(result) = &called.observation else { continue };
            let result = result.value();
            let mut scalars_seen = Vec::new();
            scalars("", &result, &mut scalars_seen);
            seen.extend(scalars_seen.into_iter().map(|(_, value)| value));
            if called.changed {
                entry = Arc::clone(&entry).after(&self.ground.reader, tool, &arguments, state, &result);
            }
        }
        Wandered { state: entry.state.clone(), seen }
    }
}
