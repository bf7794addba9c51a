//! `envfarm replay`: makes the calls of recorded trajectories again and says where they no longer give what they gave.

mod difference;
mod report;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

pub(super) use self::difference::{Difference, first_difference};
use self::report::Printer;
pub(super) use self::report::{Outcome, Replayed, Replays, VerdictChange};
use super::packages::Loaded;
use super::sources::{self, Sourced};
use super::{Failure, unknown};
use crate::config::PackageOptions;
use crate::engine::environment::Environment;
use crate::episode::{ENGINE_VERSION, Episode, EpisodeLimits, EpisodeState};
use crate::telemetry::{self, LogFormat};
use crate::trajectory::{End, Header, Trajectory};

const EXAMPLES: &str = "Examples:
  envfarm replay run.jsonl
  envfarm replay runs/*.jsonl                  a file may hold many trajectories, one after another
  envfarm replay --observations-only old/*.jsonl    after a change of the package or of envfarm
  envfarm replay runs/*.jsonl --json | jq .totals

Exit codes: 0 every trajectory is identical, 1 one isn't or can't be read, 2 usage (no such file).";

/// Replay recorded trajectories and report where observations differ
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Trajectories, as JSON Lines
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Accept another package or engine than a trajectory was recorded with, as long as the replay is the same
    #[arg(long)]
    observations_only: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    telemetry::init(LogFormat::Text, Some("error"));
    let (source, progress) = sources::files(&options.files)?;
    let environments = Loaded::new(&options.packages);
    let mut printer = Printer::new(options.json, progress.clone())?;
    sources::in_order(
        source,
        |sourced| replay(&environments, sourced, options.observations_only),
        |replayed| printer.take(replayed),
    )?;
    progress.finish_and_clear();
    if printer.finish()? { Ok(()) } else { Err(Failure::reported()) }
}

/// A fresh episode under the trajectory's conditions.
pub(super) fn episode(environment: &Arc<Environment>, header: &Header) -> Result<Episode, String> {
    let tasks = environment.tasks();
    let task = header.task.as_deref().map(|name| {
        let known = tasks.get_key_value(name).map(|(name, _)| name.clone());
        known.ok_or_else(|| unknown("task", name, tasks.keys().map(AsRef::as_ref)))
    });
    // What was recorded kept within the limits of its day.
    let limits = EpisodeLimits { calls_max: usize::MAX, ..EpisodeLimits::default() };
    Episode::new(Arc::clone(environment), task.transpose()?, header.seed, Some(header.actor.clone()), limits)
        .map_err(|err| err.to_string())
}

fn replay(environments: &Loaded<'_>, sourced: Sourced, observations_only: bool) -> Replayed {
    let Sourced { file, line, found } = sourced;
    let mut replayed = Replayed::unread(file, line);
    let ready = found.and_then(|trajectory| {
        replayed.describe(&trajectory);
        let environment = environments.get(&trajectory.header.environment)?;
        let episode = episode(&environment, &trajectory.header)?;
        Ok((trajectory, episode))
    });
    let (trajectory, mut episode) = match ready {
        Ok(ready) => ready,
        Err(problem) => {
            replayed.problem = Some(problem);
            return replayed;
        }
    };
    replayed.difference = first_difference(&mut episode, &trajectory);
    if replayed.difference.is_none() {
        replayed.verdict = verdict_change(&episode, &trajectory);
    }
    replayed.package_changed = trajectory.header.package_digest != episode.environment().digest();
    let changed = replayed.package_changed || trajectory.header.engine_version != ENGINE_VERSION;
    replayed.outcome = if replayed.difference.is_some() || replayed.verdict.is_some() {
        Outcome::Differs
    } else if changed && !observations_only {
        Outcome::Changed
    } else {
        Outcome::Identical
    };
    replayed
}

/// The recorded verdict and the one that the replay earns, where they aren't the same.
fn verdict_change(episode: &Episode, trajectory: &Trajectory) -> Option<VerdictChange> {
    let End { state, answer, verdict } = trajectory.end.as_ref()?;
    let recorded = verdict.as_ref()?;
    // What made it faulted was no observation and so isn't replayed.
    if state == EpisodeState::Faulted.as_str() {
        return None;
    }
    let replayed = episode.peek_verdict(answer.as_deref());
    (*recorded != replayed).then(|| VerdictChange { recorded: recorded.clone(), replayed })
}
