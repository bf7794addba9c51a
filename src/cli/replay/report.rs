//! What `envfarm replay` prints, trajectory by trajectory, so that millions of them need no memory.

use std::fmt::Write;

use indicatif::ProgressBar;
use owo_colors::{OwoColorize, Stream};
use schemars::JsonSchema;
use serde::Serialize;

use super::Difference;
use crate::cli::{Failure, print};
use crate::engine::verify::Verdict;
use crate::episode::ENGINE_VERSION;
use crate::trajectory::Trajectory;

/// The document that `envfarm replay --json` prints.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::cli) struct Replays {
    /// One entry for each trajectory, in the order of the files.
    trajectories: Vec<Replayed>,
    /// How many there were of each outcome.
    totals: Totals,
}

/// How many trajectories there were.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Totals {
    /// All of them.
    trajectories: usize,
    /// Those that are the same to the byte.
    identical: usize,
    /// Those with another observation or verdict.
    differing: usize,
    /// Those that are the same under another package or engine than they were recorded with.
    changed: usize,
    /// Those that can't be read or replayed.
    broken: usize,
    /// Calls in all of them.
    calls: usize,
}

/// What became of a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Outcome {
    /// Every observation and the verdict are the same to the byte.
    Identical,
    /// An observation or the verdict is another.
    Differs,
    /// Everything is the same, but the package or the engine isn't the recorded one.
    Changed,
    /// It can't be read, or not be replayed here.
    Broken,
}

/// One trajectory.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Replayed {
    /// The file it is in.
    file: String,
    /// The line it begins in, or the one that is broken.
    line: Option<usize>,
    /// What became of it.
    pub(super) outcome: Outcome,
    /// The environment; none where its header couldn't be read, as with the members below.
    environment: Option<String>,
    /// The task; none in free play.
    task: Option<String>,
    /// The seed.
    seed: Option<u64>,
    /// Number of calls.
    calls: usize,
    /// True where the package isn't the one it was recorded with, to the byte.
    pub(super) package_changed: bool,
    /// Version of the engine it was recorded with.
    engine_version: Option<String>,
    /// The first observation that differs.
    pub(super) difference: Option<Difference>,
    /// The verdicts, where they differ and no observation does.
    pub(super) verdict: Option<VerdictChange>,
    /// Why it is broken.
    pub(super) problem: Option<String>,
}

/// A verdict that is no longer earned.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct VerdictChange {
    /// As recorded.
    pub(super) recorded: Verdict,
    /// As judged now.
    pub(super) replayed: Verdict,
}

impl Replayed {
    /// Something that couldn't be read yet.
    pub(super) fn unread(file: String, line: Option<usize>) -> Self {
        Self {
            file,
            line,
            outcome: Outcome::Broken,
            environment: None,
            task: None,
            seed: None,
            calls: 0,
            package_changed: false,
            engine_version: None,
            difference: None,
            verdict: None,
            problem: None,
        }
    }

    /// Takes over what the trajectory says of itself.
    pub(super) fn describe(&mut self, trajectory: &Trajectory) {
        let header = &trajectory.header;
        self.environment = Some(header.environment.clone());
        self.task.clone_from(&header.task);
        self.seed = Some(header.seed);
        self.calls = trajectory.steps.len();
        self.engine_version = Some(header.engine_version.clone());
    }

    fn to_text(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let mut text = format!("{}{line}: ", self.file);
        if let (Some(environment), Some(seed)) = (&self.environment, self.seed) {
            let _ = write!(text, "{environment} / {} (seed {seed}): ", self.task.as_deref().unwrap_or("free play"));
        }
        let mut said = Vec::new();
        if let Some(problem) = &self.problem {
            said.push(problem.clone());
        }
        if self.package_changed {
            said.push("the package has changed since it was recorded".to_owned());
        }
        if let Some(version) = self.engine_version.as_ref().filter(|version| *version != ENGINE_VERSION) {
            said.push(format!("recorded with engine {version}, replayed with {ENGINE_VERSION}"));
        }
        if let Some(difference) = &self.difference {
            said.push(format!("the replay differs: {difference}"));
        }
        if let Some(VerdictChange { recorded, replayed }) = &self.verdict {
            let text = |verdict: &Verdict| serde_json::to_string(verdict).unwrap_or_default();
            said.push(format!("the verdict differs\n  recorded: {}\n  replayed: {}", text(recorded), text(replayed)));
        }
        text.push_str(&said.join("; "));
        text.push('\n');
        text
    }
}

/// Prints results as they come.
pub(super) struct Printer {
    json: bool,
    progress: ProgressBar,
    totals: Totals,
}

impl Printer {
    pub(super) fn new(json: bool, progress: ProgressBar) -> Result<Self, Failure> {
        if json {
            print("{\"trajectories\": [")?;
        }
        Ok(Self { json, progress, totals: Totals::default() })
    }

    pub(super) fn take(&mut self, replayed: Replayed) -> Result<(), Failure> {
        let totals = &mut self.totals;
        let separator = if totals.trajectories == 0 { "\n" } else { ",\n" };
        totals.trajectories += 1;
        totals.calls += replayed.calls;
        *match replayed.outcome {
            Outcome::Identical => &mut totals.identical,
            Outcome::Differs => &mut totals.differing,
            Outcome::Changed => &mut totals.changed,
            Outcome::Broken => &mut totals.broken,
        } += 1;
        self.progress.set_message(format!("{} trajectories, {} calls", totals.trajectories, totals.calls));
        if self.json {
            let entry = to_json(&replayed)?;
            self.progress.suspend(|| print(&format!("{separator}{entry}")))
        } else if replayed.outcome == Outcome::Identical {
            Ok(())
        } else {
            self.progress.suspend(|| print(&replayed.to_text()))
        }
    }

    /// Prints the totals; true where every trajectory is identical.
    pub(super) fn finish(self) -> Result<bool, Failure> {
        let Totals { trajectories, identical, differing, changed, broken, calls } = self.totals;
        if self.json {
            print(&format!("\n],\n\"totals\": {}}}\n", to_json(&self.totals)?))?;
        } else {
            let mut text = format!("{identical} of {trajectories} trajectories identical, {calls} calls");
            for (count, what) in
                [(differing, "differ"), (changed, "with a changed package or engine"), (broken, "broken")]
            {
                if count > 0 {
                    let said = format!("{count} {what}");
                    let _ = write!(text, "; {}", said.if_supports_color(Stream::Stdout, |said| said.red()));
                }
            }
            print(&format!("{text}\n"))?;
        }
        Ok(identical == trajectories && trajectories > 0)
    }
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|err| Failure::internal(format!("failed to write the report: {err}")))
}
