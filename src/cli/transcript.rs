//! `envfarm transcript`: what a package's solutions show, for `check` to compare between processes. Not listed in --help.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use super::{Failure, print};
use crate::engine::environment::Environment;
use crate::package::diagnostic::Diagnostic;
use crate::proof::transcript;

/// Print the fingerprint of every task's solution as JSON
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The package
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let loaded = Environment::load(&options.directory);
    let environment = loaded.environment.ok_or_else(Failure::reported)?;
    let transcripts = serde_json::to_string(&transcript::transcripts(&environment));
    let transcripts =
        transcripts.map_err(|err| Failure::internal(format!("failed to write the transcripts: {err}")))?;
    print(&format!("{transcripts}\n"))
}

/// Executes the package's solutions in another process and reports where they show something else than here.
pub(super) fn compare_processes(environment: &Environment, directory: &Path) -> Result<Vec<Diagnostic>, Failure> {
    Ok(transcript::compare(environment, &in_another_process(directory)?))
}

/// Fingerprints of the package's solutions by task, made in another process.
pub(super) fn in_another_process(directory: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::internal(format!("failed to run a second process: {what}"));
    let program = std::env::current_exe().map_err(|err| failed(&err))?;
    let mut command = Command::new(program);
    command.arg("transcript").arg(directory).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().map_err(|err| failed(&err))?;
    serde_json::from_slice(&output.stdout).map_err(|err| failed(&err))
}
