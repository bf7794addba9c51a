//! `envfarm verify`: replays a recorded trajectory and judges what it came to.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::replay::{self, Difference};
use super::{Failure, packages, print, shown};
use crate::config::PackageOptions;
use crate::engine::environment::Environment;
use crate::engine::verify::Verdict;
use crate::episode::EpisodeState;
use crate::telemetry::{self, LogFormat};
use crate::trajectory::Trajectory;

const EXAMPLES: &str = r#"Examples:
  envfarm stdio online_shop --task cancel_latest_unshipped_order --trajectory run.jsonl
  envfarm verify run.jsonl                            judge it on the answer it ends with
  envfarm verify run.jsonl --answer "Answer: 84.50"   or on this one
  envfarm verify run.jsonl --json | jq .verdict.reward

Exit codes: 0 the reward is 1.0, 1 it isn't or the replay differs, 2 usage or not a trajectory."#;

/// Replay a recorded trajectory and print its verdict
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The trajectory, as JSON Lines
    file: PathBuf,
    /// The agent's final text; else the one the trajectory ends with
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

/// The document that `envfarm verify --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Verification {
    /// The environment.
    environment: String,
    /// The task; none in free play.
    task: Option<String>,
    /// The seed.
    seed: u64,
    /// Who is signed in.
    actor: Value,
    /// Number of calls in the trajectory.
    calls: usize,
    /// True where the package is the one the trajectory was recorded with, to the byte.
    package_matches: bool,
    /// Where the replay first differs from the recording; none where every observation is the same to the byte.
    difference: Option<Difference>,
    /// The answer that was judged.
    answer: Option<String>,
    /// The verdict; none where the replay differs.
    verdict: Option<Verdict>,
    /// False where the trajectory holds another verdict on the same answer.
    recorded_verdict_matches: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    telemetry::init(LogFormat::Text, Some("warn"));
    let trajectory = read(&options.file)?;
    let environment = packages::load(&options.packages, &trajectory.header.environment)?;
    let verification = verify(&environment, &trajectory, options.answer.as_deref())?;
    if !verification.package_matches {
        warn("the package has changed since the trajectory was recorded");
    }
    if !verification.recorded_verdict_matches {
        warn("the trajectory holds another verdict on the same answer");
    }
    if options.json {
        let document = serde_json::to_string_pretty(&verification);
        let document = document.map_err(|err| Failure::internal(format!("failed to write the verdict: {err}")))?;
        print(&format!("{document}\n"))?;
    } else {
        print(&verification.to_text())?;
    }
    match &verification.verdict {
        Some(verdict) if verdict.passed => Ok(()),
        _ => Err(Failure::reported()),
    }
}

fn warn(message: &str) {
    // Nothing is left to warn with where stderr is gone.
    drop(writeln!(std::io::stderr(), "warning: {message}"));
}

fn read(path: &Path) -> Result<Trajectory, Failure> {
    let shown = path.display();
    let file = File::open(path).map_err(|err| Failure::usage(format!("failed to open {shown}: {err}")))?;
    Trajectory::read(BufReader::new(file)).map_err(|err| {
        Failure::usage(format!(
            "{shown} is no trajectory: {err}; `envfarm stdio ENVIRONMENT --trajectory FILE` records one"
        ))
    })
}

fn verify(
    environment: &Arc<Environment>,
    trajectory: &Trajectory,
    answer: Option<&str>,
) -> Result<Verification, Failure> {
    let header = &trajectory.header;
    let end = trajectory.end.as_ref();
    let recorded_answer = end.and_then(|end| end.answer.as_deref());
    let answer = answer.or(recorded_answer);
    let mut episode = replay::episode(environment, header).map_err(Failure::usage)?;
    let difference = replay::first_difference(&mut episode, trajectory);
    let faulted = end.is_some_and(|end| end.state == EpisodeState::Faulted.as_str());
    let verdict = difference.is_none().then(|| if faulted { Verdict::faulted() } else { episode.peek_verdict(answer) });
    let recorded_verdict = end.and_then(|end| end.verdict.as_ref()).filter(|_| recorded_answer == answer);
    let recorded_verdict_matches = match (recorded_verdict, &verdict) {
        (Some(recorded), Some(verdict)) => recorded == verdict,
        _ => true,
    };
    Ok(Verification {
        environment: header.environment.clone(),
        task: header.task.clone(),
        seed: header.seed,
        actor: header.actor.clone(),
        calls: trajectory.steps.len(),
        package_matches: header.package_digest == environment.digest(),
        difference,
        answer: answer.map(str::to_owned),
        verdict,
        recorded_verdict_matches,
    })
}

impl Verification {
    fn to_text(&self) -> String {
        let task = self.task.as_deref().unwrap_or("free play");
        let calls = if self.calls == 1 { "1 call".to_owned() } else { format!("{} calls", self.calls) };
        let mut text = format!("{} / {task} (seed {}): {calls}\n", self.environment, self.seed);
        match &self.difference {
            Some(difference) => text.push_str(&format!("the replay differs: {difference}\n")),
            None => text.push_str("replayed: every observation is the same to the byte\n"),
        }
        if let Some(answer) = &self.answer {
            text.push_str(&format!("answer: {}\n", answer.trim()));
        }
        if let Some(verdict) = &self.verdict {
            text.push_str(&shown::verdict(verdict));
        }
        text
    }
}
