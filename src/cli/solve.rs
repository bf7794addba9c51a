//! `envfarm solve`: reference solutions, for authors. They are never served.

use std::fmt::Write;

use clap::Args;
use owo_colors::{OwoColorize, Stream};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Failure, packages, print, shown, task_name};
use crate::config::PackageOptions;
use crate::engine::environment::Environment;
use crate::engine::execute::ExecuteError;
use crate::engine::solution::{self, Played};
use crate::engine::state::{Observation, State};
use crate::engine::task::Task;
use crate::engine::verify::{self, Verdict};

const EXAMPLES: &str = "Examples:
  envfarm solve online_shop cancel_latest_unshipped_order
  envfarm solve online_shop cancel_latest_unshipped_order --seed 7 --whole
  envfarm solve online_shop --all             every task, one line each
  envfarm solve online_shop --all --json      for programs

Exit codes: 0 every solution earns 1.0, 1 one doesn't, 2 usage.";

/// Run the reference solution of a task and show its calls, observations and verdict
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The environment's name
    environment: String,
    /// The task's name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    task: Option<String>,
    /// Every task of the environment
    #[arg(long)]
    all: bool,
    /// Seed of the episode's randomness
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Show observations to their last line
    #[arg(long)]
    whole: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

/// The document that `envfarm solve --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Solutions {
    /// The environment.
    environment: String,
    /// One entry for each task.
    solutions: Vec<Solution>,
}

/// A reference solution as it went.
#[derive(Debug, Serialize, JsonSchema)]
struct Solution {
    /// The task.
    task: String,
    /// The seed.
    seed: u64,
    /// Who is signed in.
    actor: Value,
    /// What the agent is asked.
    instruction: String,
    /// The calls, up to the first that failed.
    calls: Vec<SolutionStep>,
    /// Why the solution ended early, if it did.
    failure: Option<String>,
    /// The reference answer.
    answer: Option<String>,
    /// How it is judged; none where it ended early.
    verdict: Option<Verdict>,
}

/// One call of a reference solution.
#[derive(Debug, Serialize, JsonSchema)]
struct SolutionStep {
    /// The tool.
    tool: String,
    /// The arguments, resolved.
    arguments: Map<String, Value>,
    /// The result, or `{"error": {..}}`.
    observation: Value,
    /// True for refusals and invalid arguments.
    is_error: bool,
    /// True where the call changed the database.
    changed: bool,
    #[serde(skip)]
    shown: Observation,
}

impl Solution {
    fn passed(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.passed)
    }
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let environment = packages::load(&options.packages, &options.environment)?;
    let solutions: Vec<Solution> = match &options.task {
        Some(task) => {
            let name = task_name(task, environment.tasks().keys())?;
            let found = environment.tasks().get(&name).into_iter();
            found.map(|task| solve(&environment, task, options.seed)).collect()
        }
        None => environment.tasks().values().map(|task| solve(&environment, task, options.seed)).collect(),
    };
    let passed = solutions.iter().filter(|solution| solution.passed()).count();
    let all_passed = passed == solutions.len();
    let output = if options.json {
        let document = Solutions { environment: environment.name().to_string(), solutions };
        let document = serde_json::to_string_pretty(&document);
        format!("{}\n", document.map_err(|err| Failure::internal(format!("failed to write the solutions: {err}")))?)
    } else if options.all {
        let lines: String = solutions.iter().map(line).collect();
        format!("{lines}{passed} of {} solutions earn 1.0\n", solutions.len())
    } else {
        solutions.iter().map(|solution| describe(&environment, solution, options.whole)).collect()
    };
    print(&output)?;
    if all_passed { Ok(()) } else { Err(Failure::reported()) }
}

fn solve(environment: &Environment, task: &Task, seed: u64) -> Solution {
    let conditions = solution::conditions(environment, task, seed);
    let mut state = State::default();
    let mut played: Vec<Played> = Vec::new();
    let mut failure = None;
    for call in task.solution() {
        let arguments = call.arguments.iter().map(|(name, source)| {
            let value = solution::resolve(environment, source, &played);
            value.map(|value| (name.clone(), value)).map_err(|reason| format!("{name} can't be resolved: {reason}"))
        });
        let called = arguments.collect::<Result<Map<String, Value>, String>>().and_then(|arguments| {
            let Some(tool) = environment.tools().get(&call.tool) else {
                return Err(format!("there is no tool {}", call.tool));
            };
            let called = state.call(environment, &conditions, tool, &arguments, None);
            called.map(|called| (arguments, called)).map_err(|err| describe_error(&err))
        });
        match called {
            Ok((arguments, called)) => played.push(Played {
                tool: call.tool.clone(),
                arguments,
                observation: called.observation,
                changed: called.changed,
            }),
            Err(reason) => {
                failure =
                    Some(format!("call {} of {} (tasks.yaml:{}): {reason}", played.len() + 1, call.tool, call.line));
                break;
            }
        }
    }
    let verdict = if failure.is_none() {
        match verify::judge(environment, task, &conditions, &state, task.answer()) {
            Ok(verdict) => Some(verdict),
            Err(err) => {
                failure = Some(err.to_string());
                None
            }
        }
    } else {
        None
    };
    Solution {
        task: task.name().to_string(),
        seed,
        actor: conditions.actor,
        instruction: task.instruction().to_owned(),
        calls: played.into_iter().map(step).collect(),
        failure,
        answer: task.answer().map(str::to_owned),
        verdict,
    }
}

fn describe_error(err: &ExecuteError) -> String {
    match err {
        ExecuteError::Fault { line, message } if *line > 0 => {
            format!("met a defect (tools.yaml:{line}): {message}")
        }
        other => format!("met a defect: {other}"),
    }
}

fn step(played: Played) -> SolutionStep {
    SolutionStep {
        tool: played.tool.to_string(),
        arguments: played.arguments,
        observation: played.observation.to_json(),
        is_error: played.observation.is_error(),
        changed: played.changed,
        shown: played.observation,
    }
}

fn line(solution: &Solution) -> String {
    let mark = if solution.passed() {
        "passed".if_supports_color(Stream::Stdout, |mark| mark.green()).to_string()
    } else {
        "failed".if_supports_color(Stream::Stdout, |mark| mark.red()).to_string()
    };
    let mut text = format!("{mark}  {} ({} calls)", solution.task, solution.calls.len());
    if let Some(failure) = &solution.failure {
        let _ = write!(text, ": {failure}");
    }
    let failed = solution.verdict.iter().flat_map(|verdict| &verdict.checks).filter(|check| !check.passed);
    for check in failed {
        let _ = write!(text, ": {}: {}", check.name, check.reason);
    }
    text.push('\n');
    text
}

fn describe(environment: &Environment, solution: &Solution, whole: bool) -> String {
    let actor = environment.actor(&solution.actor).map_or("", |actor| actor.name.as_str());
    let title = format!("{} / {}", environment.name(), solution.task);
    let mut text = format!(
        "{} (seed {}, signed in as {actor})\n\n{}\n\n",
        title.if_supports_color(Stream::Stdout, |title| title.bold()),
        solution.seed,
        solution.instruction,
    );
    for (index, call) in solution.calls.iter().enumerate() {
        let _ = writeln!(text, "{}. {}", index + 1, shown::call(&call.tool, &call.arguments));
        text.push_str(&shown::observation(&call.shown, whole));
    }
    if let Some(answer) = &solution.answer {
        let _ = writeln!(text, "\nanswer: {answer}");
    }
    text.push('\n');
    if let Some(failure) = &solution.failure {
        let label = "failed:";
        let _ = writeln!(text, "{} {failure}", label.if_supports_color(Stream::Stdout, |label| label.red()));
    }
    if let Some(verdict) = &solution.verdict {
        text.push_str(&shown::verdict(verdict));
    }
    text
}
