//! `envfarm bench`: what calls, episodes and the HTTP front cost on this machine, each against its budget.
//!
//! Times depend on the machine and on what else it does; what counts are the ratios, whose two sides are measured by turns
//! in the same run. The server runs in this process, on a thread of its own, the clients on another.

mod engine;
mod farm;
mod http;
mod load;
mod memory;
mod report;
mod start;
mod times;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use self::report::Report;
use super::{Failure, print};
use crate::config::PackageOptions;
use crate::engine::environment::Environment;
use crate::episode::EpisodeLimits;
use crate::farm::FarmLimits;
use crate::package;

/// Seconds of measuring without options: enough for stable medians, and the whole run stays under a minute.
const SECONDS: u32 = 24;

/// Seconds of measuring with `--quick`: a look, and the whole run stays under ten.
const QUICK_SECONDS: u32 = 4;

const EXAMPLES: &str = "Examples:
  cargo run --release -- bench                every row, in under a minute
  envfarm bench --quick                       a look, in under ten seconds
  cargo run --release -- bench farm           training steps, durability, recovery, 100,000 live episodes
  envfarm bench --json | jq '.rows[] | select(.over)'

A row over its budget is marked; the exit code is 0 all the same, since times depend on the machine.";

/// Measure what calls, episodes and the HTTP front cost, against the budgets
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Options {
    #[command(subcommand)]
    of: Option<Of>,
    /// Measure for a shorter time
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,
    /// Seconds to measure for; loading and preparing come on top
    #[arg(long, value_name = "N", default_value_t = SECONDS, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

/// What else can be measured.
#[derive(Debug, Subcommand)]
enum Of {
    Farm(farm::Options),
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    if let Some(Of::Farm(options)) = &options.of {
        return farm::run(options);
    }
    let seconds = if options.quick { QUICK_SECONDS } else { options.seconds };
    let measuring = Duration::from_secs(seconds.into());
    let directories = directories(&options.packages.envs)?;
    let progress = progress();
    let mut report = Report::new(seconds);
    progress.set_message("loading environments");
    let rounds = if options.quick { 3 } else { 9 };
    let (environments, rows) = start::load(&directories, rounds)?;
    report.extend(rows);
    report.extend(start::first_answer(&directories, &environments)?);
    let scripts = engine::scripts(&environments)?;
    progress.set_message("measuring the engine");
    report.extend(engine::rows(&scripts, measuring.mul_f64(0.3))?);
    progress.set_message("measuring memory");
    report.extend(memory::rows(&options.packages.envs, &environments, &scripts)?);
    progress.set_message("measuring HTTP");
    report.http = Some(http::METHOD);
    report.extend(http::rows(&options.packages.envs, &scripts, measuring.mul_f64(0.7))?);
    progress.finish_and_clear();
    if options.json {
        let document = serde_json::to_string_pretty(&report);
        let document = document.map_err(|err| Failure::internal(format!("failed to write the report: {err}")))?;
        print(&format!("{document}\n"))
    } else {
        print(&report.to_text())
    }
}

fn directories(envs: &Path) -> Result<Vec<PathBuf>, Failure> {
    let found = package::find(envs).map_err(|err| {
        Failure::usage(format!("failed to read {}: {err}; --envs DIR looks elsewhere", envs.display()))
    })?;
    if found.is_empty() {
        return Err(Failure::usage(format!("there is no environment in {}", envs.display())));
    }
    Ok(found)
}

/// A line on stderr; hidden where that is no terminal.
fn progress() -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}

/// A measurement must not run into limits.
fn limits() -> FarmLimits {
    FarmLimits {
        live_episodes_max: usize::MAX,
        episode: EpisodeLimits { calls_max: usize::MAX, ..EpisodeLimits::default() },
        ..FarmLimits::default()
    }
}

/// Something that must work for the measurement to mean anything didn't.
fn broken(what: &str, err: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("{what}: {err}"))
}

/// The environments that are measured.
type Environments = Vec<Arc<Environment>>;
