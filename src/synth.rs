//! Synthesis: blueprints compiled to any number of packages, each a variant, with tasks that are planned, executed and proven.
//!
//! ```text
//! blueprint   texts of blueprints and modules          model     a blueprint with its modules put in
//! variant     features, constants and style of one     world     its entities, resolved
//! schema, data, tools   the files of the package       plan      its tasks
//! lexicon, wording      words for data and requests    emit      YAML that people read
//! ```
//!
//! Everything is a function of blueprints, seed and the number of the variant: no clock, no host, no order of threads.

pub mod blueprint;
mod compile;
mod data;
mod emit;
mod lexicon;
mod model;
mod plan;
mod rng;
mod schema;
mod style;
mod template;
mod tools;
mod variant;
mod wording;
mod words;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use self::blueprint::Library;
use self::compile::{Compiled, DEFAULT_ACTOR};
use self::model::Model;
use self::plan::{CaseReport, Goal};
use self::rng::Rng;
use self::variant::{Sizes, Variant};
use crate::engine::environment::Environment;
use crate::package::diagnostic::{Code, Diagnostic, Severity};
use crate::package::{self, DATA_FILE, ENVIRONMENT_FILE, ORIGIN_FILE, SCHEMA_FILE, TASKS_FILE, TOOLS_FILE};
use crate::proof::{self, walk};

/// Two variants of a blueprint may share at most this much of their tool names (Jaccard).
const SHARED_NAMES_MAX: f64 = 0.84;

/// Variants that are drawn until one differs enough from those before it.
const DRAWS_MAX: u32 = 40;

/// Times that a variant's data is drawn until everything is in reach: as often as something is missing by chance, and as often as it takes
/// to tell that it isn't chance.
const DATA_DRAWS_MAX: u32 = 7;
const DATA_DRAWS_MIN: u32 = 4;

/// Blueprints, ready to be synthesized from.
#[derive(Debug)]
pub struct Synthesizer {
    models: Vec<Model>,
    seed: u64,
    sizes: Sizes,
    digest: String,
}

/// One environment to be made.
#[derive(Debug)]
pub struct Order {
    model: usize,
    variant: Variant,
    /// Name of the environment and its folder.
    pub name: String,
}

/// A package as texts, with what its making showed.
#[derive(Debug)]
pub struct Synthesized {
    /// Name of the environment and its folder.
    pub name: String,
    /// Files by name.
    pub files: Vec<(&'static str, String)>,
    /// What is wrong, placed in the blueprint.
    pub findings: Vec<Diagnostic>,
    /// How each case of each intent fared.
    pub cases: Vec<CaseSummary>,
    /// What the data that was drawn didn't allow, once for each draw: such data was drawn again, if only so often.
    pub out_of_reach: Vec<Diagnostic>,
    /// Number of tasks.
    pub tasks: usize,
    /// Number of tools.
    pub tools: usize,
}

/// How a case of an intent fared in a variant.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct CaseSummary {
    /// The intent and the number of its case.
    pub name: String,
    /// Rows it is about.
    pub rows: usize,
    /// Rows whose plans were tried.
    pub tried: usize,
    /// Of these, those that worked.
    pub worked: usize,
    /// Tasks it became part of.
    pub used: usize,
    /// Why plans failed, with how often.
    pub reasons: Vec<(String, usize)>,
}

impl From<CaseReport> for CaseSummary {
    fn from(report: CaseReport) -> Self {
        let mut reasons: Vec<(String, usize)> = report.reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            name: report.name,
            rows: report.rows,
            tried: report.tried,
            worked: report.worked,
            used: report.used,
            reasons,
        }
    }
}

impl Synthesizer {
    /// The blueprints in the binary, or those of a folder, or only some of them; with everything that is wrong with their files.
    /// Of drafts, what is there is made, however small.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn new(
        folder: Option<&std::path::Path>,
        only: &[String],
        seed: u64,
        draft: bool,
    ) -> std::io::Result<(Self, Vec<Diagnostic>)> {
        let library = match folder {
            Some(folder) => Library::of_folder(folder)?,
            None => Library::embedded(),
        };
        let mut findings = Vec::new();
        let digest = library.digest(compile::VERSION, only);
        let wanted = library.blueprints().iter().filter(|source| only.is_empty() || only.contains(&source.name));
        let models = wanted.filter_map(|source| Model::build(&library, source, &mut findings)).collect();
        let sizes = if draft { Sizes::Draft } else { Sizes::Whole };
        Ok((Self { models, seed, sizes, digest }, findings))
    }

    /// SHA-256 over everything but count and seed that a set depends on, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Names of the blueprints.
    pub fn blueprints(&self) -> Vec<&str> {
        self.models.iter().map(|model| model.name.as_str()).collect()
    }

    /// The environments of a set of this size, spread evenly over the blueprints.
    pub fn orders(&self, count: usize, findings: &mut Vec<Diagnostic>) -> Vec<Order> {
        let blueprints = self.models.len();
        let mut orders = Vec::with_capacity(count);
        for (index, model) in self.models.iter().enumerate() {
            let share = count / blueprints + usize::from(index < count % blueprints);
            let rng = Rng::new(self.seed).fork(&model.name);
            let mut before: Vec<BTreeSet<String>> = Vec::new();
            for number in 0..share {
                match distinct_variant(model, number as u32, self.sizes, &rng, &mut before) {
                    Ok(variant) => {
                        let name = format!("{}_{:02}", model.name, number + 1);
                        orders.push(Order { model: index, variant, name });
                    }
                    Err(message) => {
                        findings.push(Diagnostic::new(
                            Code::BlueprintSize,
                            &model.file,
                            1,
                            format!("{}: {message}", model.name),
                        ));
                        break;
                    }
                }
            }
        }
        orders
    }

    /// Makes one environment.
    pub fn make(&self, order: &Order) -> Synthesized {
        let model = &self.models[order.model];
        let mut out_of_reach = Vec::new();
        let Drawn { variant, compiled, bare, mut findings } = draw(model, &order.variant, &mut out_of_reach);
        let mut made = Synthesized {
            name: order.name.clone(),
            files: Vec::new(),
            findings: Vec::new(),
            cases: Vec::new(),
            out_of_reach,
            tasks: 0,
            tools: compiled.tools.len(),
        };
        let first = compiled.first_actor();
        let mut tasks: Vec<Value> = Vec::new();
        let mut origins = Map::new();
        let mut default_actor = first;
        if let Some(bare) = bare {
            // One to plan with, and one that takes the tasks that are tried.
            let mut proving = bare.without_tasks();
            let ground = proof::Ground::new(&bare);
            let prove = |goals: &[Goal]| prove(&mut proving, &ground, goals);
            let planned = plan::plan(model, &variant, &compiled, &bare, prove);
            findings.extend(planned.findings);
            default_actor = planned.default_actor;
            tasks = with_facts(&mut proving, &planned.goals, &default_actor);
            for (goal, name) in planned.goals.iter().zip(plan::names(&planned.goals)) {
                origins.insert(
                    name,
                    json!({"intents": goal.intents, "own_rule": goal.own_rule, "kind": goal.kind.as_str()}),
                );
            }
            if planned.goals.len() < plan::TASKS && self.sizes == Sizes::Whole {
                let message = format!(
                    "{}: only {} of {} tasks could be planned; `envfarm synth --report` says why",
                    order.name,
                    planned.goals.len(),
                    plan::TASKS
                );
                findings.push(Diagnostic::new(Code::BlueprintTasks, &model.file, 1, message));
            }
            made.cases = planned.report.into_iter().map(CaseSummary::from).collect();
        }
        made.tasks = tasks.len();
        let origin = self.origin(model, &variant, &compiled, origins);
        made.files = vec![
            (ENVIRONMENT_FILE, compiled.environment_for(&default_actor)),
            (SCHEMA_FILE, compiled.schema.clone()),
            (DATA_FILE, compiled.data.clone()),
            (TOOLS_FILE, compiled.tools_text.clone()),
            (TASKS_FILE, emit::document(&Value::Array(tasks))),
            (ORIGIN_FILE, origin),
        ];
        made.findings = findings;
        made
    }

    fn origin(&self, model: &Model, variant: &Variant, compiled: &Compiled, tasks: Map<String, Value>) -> String {
        let features: Vec<&String> =
            variant.filling.features.iter().filter(|name| !model.modules.contains_key(*name)).collect();
        let modules: BTreeSet<&String> =
            variant.filling.features.iter().filter_map(|name| model.modules.get(name)).collect();
        let tools: Map<String, Value> = compiled
            .tools
            .iter()
            .map(|tool| {
                let from = tool.place.module.as_ref().map_or("own".to_owned(), |module| format!("module:{module}"));
                (tool.name.clone(), Value::from(from))
            })
            .collect();
        emit::document(&json!({
            "blueprint": model.name,
            "variant": variant.number + 1,
            "seed": self.seed,
            "synthesizer": compile::VERSION,
            "features": features,
            "modules": modules,
            "style": variant.style.described(),
            "constants": variant.filling.constants,
            "tools": tools,
            "tasks": tasks,
        }))
    }
}

/// A variant with its data drawn, compiled.
struct Drawn {
    variant: Variant,
    compiled: Compiled,
    /// Without tasks; none where something is wrong.
    bare: Option<Environment>,
    findings: Vec<Diagnostic>,
}

/// Draws a variant's data until it allows everything that the tools can do and refuse. By chance nobody may have the plan that a rule is
/// about, or too few of a thing to meet its limit. What no draw makes possible isn't chance: that is no reason to go on.
fn draw(model: &Model, variant: &Variant, out_of_reach: &mut Vec<Diagnostic>) -> Drawn {
    let mut best: Option<(usize, Drawn)> = None;
    let mut never: Option<BTreeSet<(Code, Option<usize>)>> = None;
    for time in 0..DATA_DRAWS_MAX {
        let variant = if time == 0 { variant.clone() } else { variant.redrawn(time) };
        let compiled = compile::compile(model, &variant);
        let mut findings = compiled.findings.clone();
        let Some(bare) = load(&compiled, &compiled.first_actor(), "[]\n", &mut findings, model) else {
            let broken = Drawn { variant, compiled, bare: None, findings };
            return best.map_or(broken, |(_, drawn)| drawn);
        };
        let missed = walk::out_of_reach(&bare);
        let left: BTreeSet<(Code, Option<usize>)> = missed.iter().map(|finding| (finding.code, finding.line)).collect();
        out_of_reach.extend(missed.into_iter().map(|finding| placed(&compiled, model, finding)));
        let drawn = Drawn { variant, compiled, bare: Some(bare), findings };
        if left.is_empty() {
            return drawn;
        }
        let by_chance = never.as_ref().is_none_or(|never| !left.is_subset(never));
        if best.as_ref().is_none_or(|(least, _)| left.len() < *least) {
            best = Some((left.len(), drawn));
        }
        if time + 1 >= DATA_DRAWS_MIN && !by_chance {
            break;
        }
        never = Some(never.map_or_else(|| left.clone(), |never| never.intersection(&left).copied().collect()));
    }
    best.unwrap_or_else(|| unreachable!("at least one draw is made")).1
}

/// Draws variants until one differs enough in its tool names from those before it.
fn distinct_variant(
    model: &Model,
    number: u32,
    sizes: Sizes,
    rng: &Rng,
    before: &mut Vec<BTreeSet<String>>,
) -> Result<Variant, String> {
    let mut last = None;
    for attempt in 0..DRAWS_MAX {
        let variant = Variant::draw(model, number, attempt, sizes, rng)?;
        let names: BTreeSet<String> = tools::tool_names(model, &variant).into_values().collect();
        let nearest = before.iter().map(|other| jaccard(&names, other)).fold(0.0, f64::max);
        if nearest <= SHARED_NAMES_MAX || sizes == Sizes::Draft {
            before.push(names);
            return Ok(variant);
        }
        last = Some(nearest);
    }
    Err(format!(
        "variant {} shares {:.0} % of its tool names with an earlier one, whatever is drawn: give tools more `names`, or more features",
        number + 1,
        last.unwrap_or(1.0) * 100.0
    ))
}

fn jaccard(left: &BTreeSet<String>, right: &BTreeSet<String>) -> f64 {
    let shared = left.intersection(right).count() as f64;
    let all = left.union(right).count() as f64;
    if all == 0.0 { 0.0 } else { shared / all }
}

impl Compiled {
    /// The first actor's id, as the data has it.
    fn first_actor(&self) -> Value {
        let start = self.data.find(&format!("INSERT INTO {}(", self.actors));
        let row = start.and_then(|start| self.data[start..].lines().nth(1));
        let cell = row.and_then(|row| row.trim().trim_start_matches('(').split(',').next()).unwrap_or_default();
        match cell.trim().parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(cell.trim().trim_matches('\'')),
        }
    }

    /// `environment.yaml` with this default actor.
    fn environment_for(&self, actor: &Value) -> String {
        let literal = emit::document(actor);
        self.environment.replace(DEFAULT_ACTOR, literal.trim())
    }
}

/// Loads a compiled variant with these tasks; findings are placed in the blueprint.
fn load(
    compiled: &Compiled,
    actor: &Value,
    tasks: &str,
    findings: &mut Vec<Diagnostic>,
    model: &Model,
) -> Option<Environment> {
    let texts = package::Texts {
        environment: compiled.environment_for(actor),
        schema: compiled.schema.clone(),
        data: compiled.data.clone(),
        tools: compiled.tools_text.clone(),
        tasks: tasks.to_owned(),
    };
    let (package, mut found) = package::from_texts(PathBuf::from(&compiled.name), texts);
    let environment = package.and_then(|package| Environment::compile(package, &mut found));
    let broken = found.iter().any(|finding| finding.severity == Severity::Error);
    findings.extend(found.into_iter().map(|finding| placed(compiled, model, finding)));
    environment.filter(|_| !broken)
}

/// A finding in a compiled file, placed where the blueprint says it.
fn placed(compiled: &Compiled, model: &Model, mut finding: Diagnostic) -> Diagnostic {
    let line = finding.line.unwrap_or_default();
    let text = match finding.file.as_str() {
        TOOLS_FILE => &compiled.tools_text,
        SCHEMA_FILE => &compiled.schema,
        DATA_FILE => &compiled.data,
        _ => &compiled.environment,
    };
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().to_owned();
    let before = || text.lines().take(line).collect::<Vec<_>>().into_iter().rev();
    let place = match finding.file.as_str() {
        TOOLS_FILE => before()
            .find_map(|line| line.strip_prefix("- name: "))
            .and_then(|name| compiled.tools.iter().find(|tool| tool.name == name.trim()))
            .map(|tool| (tool.place.clone(), tool.canonical.clone())),
        SCHEMA_FILE => of_table(compiled, before().find_map(|line| line.strip_prefix("CREATE TABLE "))),
        DATA_FILE => of_table(compiled, before().find_map(|line| line.strip_prefix("INSERT INTO "))),
        _ => None,
    };
    let in_file = std::mem::take(&mut finding.file);
    match place {
        Some((place, what)) => {
            finding.file = place.file;
            finding.line = Some(place.line);
            finding.message = format!("{what}: {} ({}, {in_file}:{line}: {written})", finding.message, compiled.name);
        }
        None => {
            finding.file.clone_from(&model.file);
            finding.line = Some(1);
            finding.message = format!("{} ({}, {in_file}:{line}: {written})", finding.message, compiled.name);
        }
    }
    finding
}

fn of_table(compiled: &Compiled, rest: Option<&str>) -> Option<(model::Place, String)> {
    let table = rest?.split(['(', ' ']).next()?;
    let entity = compiled.entities.values().find(|entity| entity.table == table)?;
    Some((entity.place.clone(), entity.name.clone()))
}

/// The entries of `tasks.yaml`, each with what its solution takes.
fn with_facts(environment: &mut Environment, goals: &[Goal], default_actor: &Value) -> Vec<Value> {
    let names = plan::names(goals);
    let entries =
        |actor: &Value| goals.iter().zip(&names).map(|(goal, name)| goal.to_value(name, actor)).collect::<Vec<Value>>();
    let with_actors = Value::Array(entries(&environment.default_actor().clone()));
    environment.take_tasks(&emit::document(&with_actors));
    let mut tasks = entries(default_actor);
    for (task, name) in tasks.iter_mut().zip(&names) {
        let facts = environment.tasks().get(name.as_str()).and_then(|task| proof::facts_of(environment, task));
        if let Some(facts) = facts {
            task["facts"] = json!(facts);
        }
    }
    tasks
}

/// Runs the gates for tasks over goals.
fn prove(bare: &mut Environment, ground: &proof::Ground, goals: &[Goal]) -> Vec<Result<(), String>> {
    let names = plan::names(goals);
    let default = bare.default_actor().clone();
    let tasks: Vec<Value> = goals.iter().zip(&names).map(|(goal, name)| goal.to_value(name, &default)).collect();
    let early = bare.take_tasks(&emit::document(&Value::Array(tasks)));
    let proven: BTreeMap<String, Vec<Diagnostic>> =
        proof::check_tasks(bare, ground).into_iter().map(|(name, found)| (name.to_string(), found)).collect();
    let verdict = |name: &String| {
        let Some(found) = proven.get(name) else { return Err("the task doesn't compile".to_owned()) };
        let early = early.iter().filter(|finding| finding.message.starts_with(&format!("{name}:")));
        early.chain(found).next().map_or(Ok(()), |finding| {
            let message = finding.message.trim_start_matches(name.as_str()).trim_start_matches(": ");
            Err(format!("{}: {message}", finding.code.as_str()))
        })
    };
    names.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blueprint_in_the_binary_has_ten_variants() {
        let (synthesizer, mut findings) = Synthesizer::new(None, &[], 7, false).unwrap();
        let blueprints = synthesizer.blueprints().len();
        let orders = synthesizer.orders(10 * blueprints, &mut findings);
        assert!(findings.is_empty(), "{findings:#?}");
        assert_eq!(orders.len(), 10 * blueprints);
    }
}
