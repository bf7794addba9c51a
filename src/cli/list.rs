//! `envfarm list`: which environments there are, or what is in one.

use std::io::IsTerminal;

use clap::Args;
use comfy_table::presets::{NOTHING, UTF8_HORIZONTAL_ONLY};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::{Value, json};

use super::{Failure, environment_name, print};
use crate::config::PackageOptions;
use crate::engine::environment::Environment;
use crate::engine::task::Task;
use crate::farm::{Farm, FarmLimits};
use crate::mcp::describe_tools;
use crate::package::files::Difficulty;

const EXAMPLES: &str = "Examples:
  envfarm list                     every environment under envs/
  envfarm list online_shop         its tools and tasks
  envfarm list --json | jq .       for programs";

/// List the environments, or one environment's tools and tasks
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Show this environment's tools and tasks
    environment: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let farm =
        Farm::open(&options.packages.envs, FarmLimits::default()).map_err(|err| Failure::failed(err.to_string()))?;
    let output = match &options.environment {
        Some(text) => {
            let name = environment_name(text, &farm)?;
            let environment = farm.environment(name.as_ref()).map_err(|err| Failure::failed(err.to_string()))?;
            if options.json { one_as_json(&environment) } else { one_as_text(&environment) }
        }
        None => {
            let loaded = farm
                .environment_names()
                .map(|name| (name.as_ref(), farm.environment(name.as_ref()).map_err(|err| err.to_string())));
            if options.json { all_as_json(loaded) } else { all_as_text(loaded) }
        }
    };
    print(&output)
}

type Loaded = Result<std::sync::Arc<Environment>, String>;

fn all_as_json<'a>(loaded: impl Iterator<Item = (&'a str, Loaded)>) -> String {
    let environments: Vec<Value> = loaded
        .map(|(name, environment)| match environment {
            Ok(environment) => summary(&environment),
            Err(message) => json!({"name": name, "error": message}),
        })
        .collect();
    format!("{:#}\n", json!({"environments": environments}))
}

fn summary(environment: &Environment) -> Value {
    json!({
        "name": environment.name(),
        "title": environment.title(),
        "summary": environment.summary(),
        "domain": environment.domain(),
        "tables": environment.tables(),
        "rows": environment.rows(),
        "tools": environment.tools().len(),
        "tasks": environment.tasks().len(),
        "digest": environment.digest(),
    })
}

fn all_as_text<'a>(loaded: impl Iterator<Item = (&'a str, Loaded)>) -> String {
    let mut table = table(&["environment", "title", "domain", "tables", "rows", "tools", "tasks"]);
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, environment) in loaded {
        match environment {
            Ok(environment) => table.add_row([
                name,
                environment.title(),
                environment.domain(),
                &environment.tables().to_string(),
                &environment.rows().to_string(),
                &environment.tools().len().to_string(),
                &environment.tasks().len().to_string(),
            ]),
            Err(message) => table.add_row([name, &message]),
        };
    }
    format!("{table}\n")
}

fn one_as_json(environment: &Environment) -> String {
    let tasks: Vec<Value> = environment
        .tasks()
        .values()
        .map(|task| {
            json!({
                "name": task.name(),
                "difficulty": task.difficulty(),
                "facts": task.facts(),
                "instruction": task.instruction(),
            })
        })
        .collect();
    let mut described = summary(environment);
    described["tools"] = describe_tools(environment);
    described["tasks"] = json!(tasks);
    format!("{described:#}\n")
}

fn one_as_text(environment: &Environment) -> String {
    let mut tools = table(&["tool", "does"]);
    for tool in environment.tools().values() {
        tools.add_row([tool.name().as_ref(), tool.description().trim()]);
    }
    let mut tasks = table(&["task", "difficulty", "instruction"]);
    for task in environment.tasks().values() {
        tasks.add_row([task.name().to_string(), difficulty(task).to_owned(), task.instruction().trim().to_owned()]);
    }
    format!(
        "{} ({})\n{}\n\n{tools}\n\n{tasks}\n",
        environment.title(),
        environment.name(),
        environment.summary().trim(),
    )
}

fn difficulty(task: &Task) -> &'static str {
    match task.difficulty() {
        Some(Difficulty::Easy) => "easy",
        Some(Difficulty::Medium) => "medium",
        Some(Difficulty::Hard) => "hard",
        None => "",
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(if std::io::stdout().is_terminal() { UTF8_HORIZONTAL_ONLY } else { NOTHING })
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}
