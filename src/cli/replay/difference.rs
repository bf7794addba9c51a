//! Where a replayed call differs from the recorded one.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::episode::{self, CallError, Episode};
use crate::trajectory::{Step, Trajectory};

/// Longest text of a value that is shown, in characters.
const SHOWN_LENGTH_MAX: usize = 200;

/// The first difference between a recording and its replay.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Difference {
    /// Number of the call, from 1.
    call: usize,
    /// The tool.
    tool: String,
    /// Where in the observation, as a JSON pointer; empty for all of it.
    path: String,
    /// What was recorded there, as JSON text; `nothing` where there was nothing.
    recorded: String,
    /// What the replay gave there.
    replayed: String,
}

impl Difference {
    /// The replay of a call gave no observation.
    fn unanswered(call: usize, recorded: &Step, err: &CallError) -> Self {
        Self {
            call,
            tool: recorded.tool.clone(),
            path: String::new(),
            recorded: shorten(recorded.observation.to_string()),
            replayed: err.to_string(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, tool, path, .. } = self;
        let place = if path.is_empty() { String::new() } else { format!(" at {path}") };
        write!(formatter, "call {call} of {tool}{place}\n  recorded: {}\n  replayed: {}", self.recorded, self.replayed)
    }
}

/// Makes a trajectory's calls again in a fresh episode, until one differs.
pub(in crate::cli) fn first_difference(episode: &mut Episode, trajectory: &Trajectory) -> Option<Difference> {
    for (index, recorded) in trajectory.steps.iter().enumerate() {
        let number = index + 1;
        match episode.call(&recorded.tool, recorded.arguments.clone()) {
            Ok(observation) => {
                let replayed = episode::step(&recorded.tool, recorded.arguments.clone(), &observation);
                if let Some(difference) = between(number, recorded, &replayed) {
                    return Some(difference);
                }
            }
            Err(err) => return Some(Difference::unanswered(number, recorded, &err)),
        }
    }
    None
}

/// The first difference of two observations of call number `call`, in the order in which they are written.
fn between(call: usize, recorded: &Step, replayed: &Step) -> Option<Difference> {
    if same_bytes(&recorded.observation, &replayed.observation) && recorded.is_error == replayed.is_error {
        return None;
    }
    let (path, left, right) = first(&recorded.observation, &replayed.observation, String::new());
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |value| shorten(value.to_string()));
    Some(Difference { call, tool: recorded.tool.clone(), path, recorded: text(left), replayed: text(right) })
}

type Pair<'v> = (String, Option<&'v Value>, Option<&'v Value>);

fn first<'v>(left: &'v Value, right: &'v Value, path: String) -> Pair<'v> {
    match (left, right) {
        (Value::Object(left_members), Value::Object(right_members)) => {
            for (name, member) in left_members {
                let below = format!("{path}/{name}");
                match right_members.get(name) {
                    Some(other) if same_bytes(member, other) => {}
                    Some(other) => return first(member, other, below),
                    None => return (below, Some(member), None),
                }
            }
            let added = right_members.iter().find(|(name, _)| !left_members.contains_key(*name));
            match added {
                Some((name, member)) => (format!("{path}/{name}"), None, Some(member)),
                None => (path, Some(left), Some(right)),
            }
        }
        (Value::Array(left_elements), Value::Array(right_elements)) => {
            let longest = left_elements.len().max(right_elements.len());
            for index in 0..longest {
                let below = format!("{path}/{index}");
                match (left_elements.get(index), right_elements.get(index)) {
                    (Some(one), Some(other)) if same_bytes(one, other) => {}
                    (Some(one), Some(other)) => return first(one, other, below),
                    (one, other) => return (below, one, other),
                }
            }
            (path, Some(left), Some(right))
        }
        _ => (path, Some(left), Some(right)),
    }
}

/// Whether two values have the same JSON text (as values, objects are equal in any order).
fn same_bytes(left: &Value, right: &Value) -> bool {
    let (left, right) = (left.to_string(), right.to_string());
    left == right
}

fn shorten(text: String) -> String {
    if text.chars().count() <= SHOWN_LENGTH_MAX {
        return text;
    }
    let start: String = text.chars().take(SHOWN_LENGTH_MAX).collect();
    format!("{start}..")
}
