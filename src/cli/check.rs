//! `envfarm check`: everything that is wrong with packages, at once.

mod count;
mod report;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::report::EnvironmentReport;
pub(super) use self::report::Report;
use super::transcript::compare_processes;
use super::{Failure, print, unknown};
use crate::engine::environment::Environment;
use crate::package::diagnostic::Code;
use crate::package::{self, ENVIRONMENT_FILE};
use crate::proof;

const EXAMPLES: &str = "Examples:
  envfarm check                               every package under envs/
  envfarm check envs/online_shop              one package
  envfarm check --no-execute envs/online_shop    only the rules that call no tool, while writing
  envfarm check --only mutant_rewarded        findings of one rule
  envfarm check --json | jq .totals           for programs

Exit codes: 0 no finding, 1 findings, 2 usage (no such folder, no package), 3 internal error.";

/// Check packages: their files, their tools by calling them, their tasks by solving them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Packages, or folders of packages
    #[arg(value_name = "DIR", default_value = "envs")]
    directories: Vec<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Don't call tools or solve tasks
    #[arg(long)]
    no_execute: bool,
    /// Report only findings with this code; can be repeated
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    only: Vec<Code>,
}

fn parse_code(text: &str) -> Result<Code, String> {
    let known = || Code::ALL.iter().map(|code| code.as_str());
    let found = Code::ALL.iter().find(|code| code.as_str() == text);
    found.copied().ok_or_else(|| unknown("code", text, known()))
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let packages = find(&options.directories)?;
    let report = Report::new(check_all(&packages, options)?);
    if options.json {
        let document = serde_json::to_string_pretty(&report);
        let document = document.map_err(|err| Failure::internal(format!("failed to write the report: {err}")))?;
        print(&format!("{document}\n"))?;
    } else {
        print(&report.to_text())?;
    }
    match report.totals.diagnostics {
        0 => Ok(()),
        _ => Err(Failure::reported()),
    }
}

/// The packages that the arguments stand for, each once.
fn find(directories: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut seen = BTreeSet::new();
    let mut packages = Vec::new();
    for directory in directories {
        let shown = directory.display();
        let found = package::find(directory).map_err(|err| {
            Failure::usage(format!("failed to read {shown}: {err}; name a package or a folder of packages"))
        })?;
        if found.is_empty() {
            return Err(Failure::usage(format!(
                "there is no package in {shown}: a package is a folder with {ENVIRONMENT_FILE}; `envfarm new NAME` makes one"
            )));
        }
        for package in found {
            if seen.insert(package.canonicalize().unwrap_or_else(|_| package.clone())) {
                packages.push(package);
            }
        }
    }
    Ok(packages)
}

/// Checks the packages, as many at a time as there are cores; the reports come in the packages' order.
fn check_all(packages: &[PathBuf], options: &Options) -> Result<Vec<EnvironmentReport>, Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let progress = progress(packages.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reports = Vec::new();
        while let Some(package) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
            let place = packages.iter().position(|other| other == package).unwrap_or_default();
            reports.push((place, check(package, options, &progress)));
            progress.inc(1);
        }
        reports
    };
    let mut reports = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores.min(packages.len())).map(|_| scope.spawn(work)).collect();
        // All of them, so that none is left to panic in the scope's stead.
        let joined: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let reports: Result<Vec<_>, _> = joined.into_iter().collect();
        reports.map(|reports| reports.into_iter().flatten().collect::<Vec<_>>())
    })
    .map_err(|_| Failure::internal("a package could not be checked: envfarm has a defect"))?;
    progress.finish_and_clear();
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// A bar on stderr; hidden where that is no terminal.
fn progress(packages: usize) -> ProgressBar {
    let progress = ProgressBar::new(packages as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:24.cyan} {pos}/{len} packages  {elapsed}  {wide_msg}") {
        progress.set_style(style);
    }
    progress
}

fn check(directory: &Path, options: &Options, progress: &ProgressBar) -> Result<EnvironmentReport, Failure> {
    let folder = package::folder_name(directory);
    let loaded = Environment::load(directory);
    let mut diagnostics = loaded.diagnostics;
    let counts = match &loaded.environment {
        Some(environment) => count::Counts {
            tables: environment.tables(),
            rows: environment.rows(),
            tools: environment.tools().len(),
            tasks: environment.tasks().len(),
        },
        None => count::files(directory),
    };
    if let Some(environment) = &loaded.environment
        && !options.no_execute
    {
        let told = |doing: &str| progress.set_message(format!("{folder}: {doing}"));
        diagnostics.extend(proof::prove(environment, &told));
        diagnostics.extend(compare_processes(environment, directory)?);
    }
    if !options.only.is_empty() {
        diagnostics.retain(|finding| options.only.contains(&finding.code));
    }
    // Stable: findings at one place stay in the order in which the rules look.
    diagnostics.sort_by_key(|finding| (package::file_order(&finding.file), finding.line));
    Ok(EnvironmentReport {
        name: folder,
        tables: counts.tables,
        rows: counts.rows,
        tools: counts.tools,
        tasks: counts.tasks,
        diagnostics,
        directory: directory.to_owned(),
    })
}
