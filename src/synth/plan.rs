//! Tasks by planning: rows of the data for what people want, joined into goals, executed, and put into words.

mod execute;
mod goal;
mod ground;
mod intent;
mod query;
mod recipe;
mod text;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::execute::Stage;
pub(crate) use self::goal::Goal;
use self::goal::Planner;
use super::compile::Compiled;
use super::model::Model;
use super::variant::Variant;
use super::world::Resolver;
use crate::engine::environment::Environment;
use crate::package::diagnostic::Diagnostic;

/// Tasks of an environment.
pub(crate) const TASKS: usize = 10;

/// How an intent fared in a variant, for its author.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaseReport {
    /// The intent and the number of its case, from 1.
    pub name: String,
    /// Rows that the case is about, over all actors.
    pub rows: usize,
    /// Rows whose plan was tried, and for how many it worked.
    pub tried: usize,
    pub worked: usize,
    /// Tasks it became part of.
    pub used: usize,
    /// Why a plan failed, with how often.
    pub reasons: BTreeMap<String, usize>,
}

/// What planning gave.
pub(crate) struct Planned {
    pub goals: Vec<Goal>,
    /// The actor with most to do.
    pub default_actor: Value,
    pub report: Vec<CaseReport>,
    pub findings: Vec<Diagnostic>,
}

/// Plans the tasks of a variant. `proven` says whether a goal passes the gates for tasks.
pub(crate) fn plan(
    model: &Model,
    variant: &Variant,
    compiled: &Compiled,
    environment: &Environment,
    mut proven: impl FnMut(&[Goal]) -> Vec<Result<(), String>>,
) -> Planned {
    let mut resolver = Resolver::new(model, variant);
    let stage = Stage {
        compiled,
        environment,
        tools: compiled.tools.iter().map(|tool| (tool.canonical.as_str(), tool)).collect(),
    };
    let intents = intent::intents(&mut resolver, |tool| compiled.names.contains_key(tool));
    let findings = std::mem::take(&mut resolver.findings);
    let mut planner = Planner::new(model, &stage, intents, variant.rng.fork("tasks"));
    planner.survey();
    let default_actor = planner.busiest_actor();
    let goals = planner.goals(&mut proven);
    Planned { goals, default_actor, report: planner.into_report(), findings }
}

impl Goal {
    /// Its entry of `tasks.yaml`.
    pub(crate) fn to_value(&self, name: &str, default_actor: &Value) -> Value {
        let mut task = Map::new();
        let mut put = |key: &str, value: Value| task.insert(key.to_owned(), value);
        put("name", Value::from(name));
        put("difficulty", Value::from(self.difficulty()));
        put("tags", json!([self.kind.as_str()]));
        if self.actor != *default_actor {
            put("actor", self.actor.clone());
        }
        put("instruction", Value::from(self.instruction.as_str()));
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|(tool, arguments)| {
                if arguments.is_empty() { json!({"tool": tool}) } else { json!({"tool": tool, "arguments": arguments}) }
            })
            .collect();
        let mut solution = json!({"calls": calls});
        if let Some(answer) = &self.answer {
            solution["answer"] = Value::from(answer.as_str());
        }
        put("solution", solution);
        let mut verify = Map::new();
        if !self.expects.is_empty() {
            verify.insert("answer".to_owned(), json!(self.expects));
        }
        if !self.free.is_empty() {
            verify.insert("free".to_owned(), json!(self.free));
        }
        if !verify.is_empty() {
            put("verify", Value::Object(verify));
        }
        Value::Object(task)
    }
}

/// Names of tasks: what they are about, numbered where that repeats.
pub(crate) fn names(goals: &[Goal]) -> Vec<String> {
    const LENGTH_MAX: usize = 52;
    let mut names: Vec<String> = Vec::new();
    for goal in goals {
        let mut name = goal.intents.join("_then_");
        if name.len() > LENGTH_MAX {
            name = goal
                .intents
                .iter()
                .map(|intent| intent.split('_').take(2).collect::<Vec<_>>().join("_"))
                .collect::<Vec<_>>()
                .join("_then_");
        }
        name.truncate(LENGTH_MAX);
        let base = name.trim_matches('_').to_owned();
        let mut unique = base.clone();
        let mut number = 2;
        while names.contains(&unique) {
            unique = format!("{base}_{number}");
            number += 1;
        }
        names.push(unique);
    }
    names
}
