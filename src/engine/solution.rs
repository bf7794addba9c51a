//! Executing reference solutions, whose arguments may come from earlier observations.

use serde_json::{Map, Value};

use super::environment::{Environment, to_json};
use super::execute::ExecuteError;
use super::state::{Conditions, Observation, State, budget};
use super::task::{SolutionCall, Source, Task};
use crate::database::Overlay;
use crate::id::ToolName;

/// A call as it was made.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    /// The tool.
    pub tool: ToolName,
    /// The arguments, resolved.
    pub arguments: Map<String, Value>,
    /// What came back.
    pub observation: Observation,
    /// Whether it committed a change.
    pub changed: bool,
}

/// A reference solution, executed.
#[derive(Debug, Clone)]
pub(crate) struct PlayedSolution {
    /// The state it left.
    pub state: State,
    /// Its calls.
    pub calls: Vec<Played>,
}

impl PlayedSolution {
    /// Every scalar in the results, with its member's name.
    pub(crate) fn observed(&self) -> Vec<(String, Value)> {
        observed(&self.calls)
    }
}

/// Every scalar in the results of calls, with its member's name.
pub(crate) fn observed(calls: &[Played]) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for result in calls.iter().filter_map(|call| call.observation.structured()) {
        scalars("", &result, &mut values);
    }
    values
}

/// Adds every scalar of a value, with its member's name.
pub(crate) fn scalars(name: &str, value: &Value, values: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| scalars(name, member, values)),
        Value::Array(elements) => elements.iter().for_each(|element| scalars(name, element, values)),
        scalar => values.push((name.to_owned(), scalar.clone())),
    }
}

/// Why a reference solution doesn't run.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SolutionError {
    #[error("call {call}: the argument {argument} can't be resolved: {reason}")]
    Unresolved { call: usize, argument: String, reason: String },
    #[error("call {call}: there is no tool {tool}")]
    UnknownTool { call: usize, tool: ToolName },
    #[error("call {call} of {tool} was answered with an error: {text}")]
    Refused { call: usize, tool: ToolName, text: String },
    #[error("call {call} of {tool} met a defect: {source}")]
    Execute { call: usize, tool: ToolName, source: ExecuteError },
}

impl SolutionError {
    /// Index of the call that failed.
    pub(crate) fn call(&self) -> usize {
        match self {
            Self::Unresolved { call, .. }
            | Self::UnknownTool { call, .. }
            | Self::Refused { call, .. }
            | Self::Execute { call, .. } => *call,
        }
    }
}

/// Executes a task's reference solution from `state`. A refused call is an error unless it is the last of a solution
/// that changes nothing: a solution takes the way that works.
pub(crate) fn play(
    environment: &Environment,
    task: &Task,
    conditions: &Conditions,
    mut state: State,
) -> Result<PlayedSolution, SolutionError> {
    let mut calls: Vec<Played> = Vec::new();
    for (index, call) in task.solution().iter().enumerate() {
        let arguments = resolve_all(environment, call, index, &calls)?;
        let tool = environment
            .tools()
            .get(&call.tool)
            .ok_or_else(|| SolutionError::UnknownTool { call: index, tool: call.tool.clone() })?;
        let called = state
            .call(environment, conditions, tool, &arguments, None)
            .map_err(|source| SolutionError::Execute { call: index, tool: call.tool.clone(), source })?;
        if called.observation.is_error() {
            return Err(SolutionError::Refused {
                call: index,
                tool: call.tool.clone(),
                text: called.observation.into_text(),
            });
        }
        calls.push(Played {
            tool: call.tool.clone(),
            arguments,
            observation: called.observation,
            changed: called.changed,
        });
    }
    Ok(PlayedSolution { state, calls })
}

/// The conditions under which a task is solved by default.
pub(crate) fn conditions(environment: &Environment, task: &Task, seed: u64) -> Conditions {
    Conditions { seed, clock_ms: environment.clock_ms(), actor: task.actor().clone() }
}

/// Every result that the environment's own solutions see, with its tool.
pub(super) fn observe(environment: &Environment) -> Vec<(ToolName, Value)> {
    let mut observed = Vec::new();
    for task in environment.tasks().values() {
        let conditions = conditions(environment, task, 0);
        // A solution that fails is reported by the gates; here it only shows less.
        let Ok(played) = play(environment, task, &conditions, State::default()) else { continue };
        for call in played.calls {
            if let Observation::Completed(result) = call.observation {
                observed.push((call.tool, result.value()));
            }
        }
    }
    observed
}

fn resolve_all(
    environment: &Environment,
    call: &SolutionCall,
    index: usize,
    earlier: &[Played],
) -> Result<Map<String, Value>, SolutionError> {
    let mut arguments = Map::new();
    for (name, source) in &call.arguments {
        let value = resolve(environment, source, earlier).map_err(|reason| SolutionError::Unresolved {
            call: index,
            argument: name.clone(),
            reason,
        })?;
        arguments.insert(name.clone(), value);
    }
    Ok(arguments)
}

/// The value of an argument, given the calls before it.
pub(crate) fn resolve(environment: &Environment, source: &Source, earlier: &[Played]) -> Result<Value, String> {
    match source {
        Source::Literal(value) | Source::Free(value) => Ok(value.clone()),
        Source::From { call, path } => {
            let observation = earlier.get(*call).and_then(|played| played.observation.structured());
            let observation = observation.ok_or_else(|| format!("call {call} gave no result"))?;
            find(&observation, path).cloned().ok_or_else(|| format!("call {call} gave nothing at {path}"))
        }
        Source::Derived(sql) => derive(environment, sql, earlier),
    }
}

/// SQL of a derived argument as a statement: an expression may leave SELECT out.
pub(crate) fn derived_statement(sql: &str) -> String {
    let starts = sql.trim_start().get(..6).unwrap_or_default();
    if starts.eq_ignore_ascii_case("select")
        || sql.trim_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("with"))
    {
        sql.to_owned()
    } else {
        format!("SELECT {sql}")
    }
}

fn derive(environment: &Environment, sql: &str, earlier: &[Played]) -> Result<Value, String> {
    let moment = State::default().moment(&Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null });
    let pool = environment.pool();
    let bound = pool.bind(&Overlay::default(), moment, budget(None)).map_err(|err| err.to_string())?;
    let statement = derived_statement(sql);
    let info = bound.describe(&statement).map_err(|err| err.to_string())?;
    if !info.readonly || !info.tables.is_empty() {
        return Err("derived SQL may read earlier observations (:obs0, :obs1, ..) and nothing else".to_owned());
    }
    let mut prepared = bound.prepare(&statement).map_err(|err| err.to_string())?;
    for (index, parameter) in info.parameters.iter().enumerate() {
        let call = parameter.strip_prefix(":obs").and_then(|call| call.parse::<usize>().ok());
        let played = call.and_then(|call| earlier.get(call));
        let played = played.ok_or_else(|| format!("{parameter} is no earlier observation"))?;
        prepared.raw_bind_parameter(index + 1, &*played.observation.text()).map_err(|err| err.to_string())?;
    }
    let mut rows = prepared.raw_query();
    let row = rows.next().map_err(|err| err.to_string())?.ok_or("the derived SQL gave no row")?;
    row.get(0).map(to_json).map_err(|err| err.to_string())
}

/// The value at a path such as `orders.0.id` or `orders[name=Oak desk].id`.
pub(crate) fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut found = value;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(selector) = rest.strip_prefix('[') {
            let (selector, after) = selector.split_once(']')?;
            let (field, wanted) = selector.split_once('=')?;
            found = found
                .as_array()?
                .iter()
                .find(|element| element.get(field).is_some_and(|field| plain(field) == wanted))?;
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let key = &rest[..end];
            found = match found {
                Value::Array(elements) => elements.get(key.parse::<usize>().ok()?)?,
                other => other.get(key)?,
            };
            rest = &rest[end..];
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
    }
    Some(found)
}

/// A JSON value as a person would write it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_select_by_position_and_by_field() {
        let value = json!({"orders": [{"id": 7, "name": "Lamp"}, {"id": 9, "name": "Oak desk"}]});
        assert_eq!(find(&value, "orders.0.id"), Some(&json!(7)));
        assert_eq!(find(&value, "orders[name=Oak desk].id"), Some(&json!(9)));
        assert_eq!(find(&value, "orders[id=7].name"), Some(&json!("Lamp")));
        assert_eq!(find(&value, "orders.2.id"), None);
        assert_eq!(find(&value, "orders[name=Chair].id"), None);
    }
}
