//! `envfarm audit`: what a whole set of packages is worth, measured against what it should be.

mod html;
mod plots;
mod table;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::transcript::in_another_process;
use super::{Failure, print, unknown};
use crate::package::{self, ENVIRONMENT_FILE};
use crate::proof::audit::report::Audit;
use crate::proof::audit::{self, Audited};

const EXAMPLES: &str = "Examples:
  envfarm audit farm                             every package under farm/: gates, attacks, and the set as a whole
  envfarm audit farm --html farm.html            the same as a page with plots, in one file
  envfarm audit farm --json | jq .targets        for programs
  envfarm audit farm --only pharmacy_03 --seeds 200    one of them, attacked by more random agents

Exit codes: 0 every target met and no finding, 1 a target missed or findings, 2 usage (no such folder, no package), 3 internal error.";

/// Audit a set of packages: every gate of check, attacks on every task, and what the set is like as a whole
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Folder of packages, or one package
    #[arg(value_name = "DIR", default_value = "envs")]
    directory: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write a page with plots that needs no other file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Agents that act at random on every task
    #[arg(long, value_name = "N", default_value_t = 8)]
    seeds: u64,
    /// Packages audited at a time; as many as there are cores by default
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Only this package; can be repeated. What concerns the set as a whole is then about these alone
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let packages = find(options)?;
    // Before the work, so that a folder that can't be written to costs nothing.
    if let Some(path) = &options.html {
        write(path, "")?;
    }
    let audit = audit::set(audit_all(&packages, options)?);
    if let Some(path) = &options.html {
        write(path, &html::page(&audit))?;
    }
    if options.json {
        let document = serde_json::to_string_pretty(&audit);
        let document = document.map_err(|err| Failure::internal(format!("failed to write the audit: {err}")))?;
        print(&format!("{document}\n"))?;
    } else {
        print(&table::text(&audit))?;
    }
    if passes(&audit) { Ok(()) } else { Err(Failure::reported()) }
}

/// Whether nothing is wrong.
fn passes(audit: &Audit) -> bool {
    audit.totals.findings == 0 && audit.totals.missed == 0
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|err| Failure::usage(format!("failed to write {}: {err}", path.display())))
}

fn find(options: &Options) -> Result<Vec<PathBuf>, Failure> {
    let shown = options.directory.display();
    let mut packages = package::find(&options.directory).map_err(|err| {
        Failure::usage(format!("failed to read {shown}: {err}; name a package or a folder of packages"))
    })?;
    if packages.is_empty() {
        return Err(Failure::usage(format!(
            "there is no package in {shown}: a package is a folder with {ENVIRONMENT_FILE}; `envfarm synth --out {shown}` makes some"
        )));
    }
    let names: Vec<String> = packages.iter().map(|package| package::folder_name(package)).collect();
    if let Some(absent) = options.only.iter().find(|name| !names.contains(name)) {
        return Err(Failure::usage(unknown("package", absent, names.iter().map(String::as_str))));
    }
    if !options.only.is_empty() {
        packages.retain(|package| options.only.contains(&package::folder_name(package)));
    }
    Ok(packages)
}

/// Audits each package by itself, several at a time.
fn audit_all(packages: &[PathBuf], options: &Options) -> Result<Vec<Audited>, Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = options.jobs.map_or(cores, NonZero::get).min(packages.len());
    let progress = ProgressBar::new(packages.len() as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:24.cyan} {pos}/{len} packages  {elapsed}, {eta} left  {wide_msg}")
    {
        progress.set_style(style);
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Audited>, Failure> {
        let mut audited = Vec::new();
        while let Some(package) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
            audited.push(audit_one(package, options, &progress)?);
            progress.inc(1);
        }
        Ok(audited)
    };
    let audited = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        // All of them, so that none is left to panic in the scope's stead.
        let joined: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let mut all = Vec::with_capacity(packages.len());
        for worker in joined {
            let defect = |_| Failure::internal("a package could not be audited: envfarm has a defect");
            all.extend(worker.map_err(defect)??);
        }
        Ok(all)
    });
    progress.finish_and_clear();
    audited
}

fn audit_one(directory: &Path, options: &Options, progress: &ProgressBar) -> Result<Audited, Failure> {
    let name = package::folder_name(directory);
    let told = |doing: &str| progress.set_message(format!("{name}: {doing}"));
    let mut audited = audit::package(directory, options.seeds, &told);
    if audited.is_loaded() {
        told("replaying in another process");
        audited.compare_transcripts(&in_another_process(directory)?);
    }
    Ok(audited)
}
