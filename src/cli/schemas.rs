//! `envfarm schemas`: JSON Schemas of everything that is written by hand or read by programs, generated from the types.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{Failure, check, export, print, replay, solve, synth, top, verify};
use crate::http;
use crate::package::files::{EnvironmentFile, OriginFile, TaskFile, ToolFile};
use crate::proof::audit::report::Audit;
use crate::synth::blueprint::files::BlueprintFile;
use crate::trajectory;

const EXAMPLES: &str = "Examples:
  envfarm schemas                  rewrite schemas/, after a change of the types
  envfarm schemas --dir /tmp/s     write them somewhere else

An editor with a YAML language server checks a package while you write it, with this as the first line of tools.yaml:
  # yaml-language-server: $schema=../../schemas/tools.json";

/// Write the JSON Schemas of the package files, the trajectory and the JSON outputs, and the OpenAPI document of the REST API
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Folder to write to; made if it isn't there
    #[arg(long, value_name = "DIR", default_value = "schemas")]
    dir: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let directory = &options.dir;
    let failed = |err: std::io::Error| Failure::failed(format!("failed to write to {}: {err}", directory.display()));
    fs::create_dir_all(directory).map_err(failed)?;
    for (name, schema) in documents() {
        let path = directory.join(name);
        fs::write(&path, format!("{schema:#}\n")).map_err(failed)?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// The schemas by the names of their files.
fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("environment.json", schema::<EnvironmentFile>("environment.yaml of a package")),
        ("tools.json", schema::<Vec<ToolFile>>("tools.yaml of a package")),
        ("tasks.json", schema::<Vec<TaskFile>>("tasks.yaml of a package")),
        ("origin.json", schema::<OriginFile>("origin.yaml of a package")),
        (
            "blueprint.json",
            schema::<BlueprintFile>("A blueprint or a module of one, from which envfarm synth makes packages"),
        ),
        ("trajectory.json", schema::<trajectory::Line>("One line of a trajectory, which is JSON Lines")),
        ("openapi.json", http::openapi::document()),
        ("check.json", schema::<check::Report>("Output of envfarm check --json")),
        ("solve.json", schema::<solve::Solutions>("Output of envfarm solve --json")),
        ("verify.json", schema::<verify::Verification>("Output of envfarm verify --json")),
        ("audit.json", schema::<Audit>("Output of envfarm audit --json")),
        ("synth.json", schema::<synth::Report>("Output of envfarm synth --json")),
        ("replay.json", schema::<replay::Replays>("Output of envfarm replay --json")),
        ("top.json", schema::<top::View>("Output of envfarm top --once --json")),
        ("export_openai.json", schema::<export::Conversation<'_>>("One line of envfarm export --format openai")),
        ("export_jsonl.json", schema::<export::Record<'_>>("One line of envfarm export --format jsonl")),
    ]
}

fn schema<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), json!(title));
    schema.to_value()
}
