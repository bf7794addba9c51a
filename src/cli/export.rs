//! `envfarm export`: recorded trajectories as training data.

mod record;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use self::record::Sample;
pub(super) use self::record::{Conversation, Record};
use super::packages::Loaded;
use super::sources::{self, Sourced};
use super::{Failure, replay};
use crate::config::PackageOptions;
use crate::telemetry::{self, LogFormat};
use crate::trajectory::Trajectory;

const EXAMPLES: &str = "Examples:
  envfarm export runs/*.jsonl --passed --out train.jsonl      conversations that earned the reward
  envfarm export runs/*.jsonl --format jsonl --out flat.jsonl
  envfarm export --journal farm.journal --passed --out train.jsonl
  envfarm export runs/*.jsonl | jq -c '{messages, tools, parallel_tool_calls}'    what OpenAI's uploader takes, and no more

Every line is one JSON object; schemas/export_openai.json and schemas/export_jsonl.json describe them. The instruction, the
context and the tools come from the package, so it has to be the one that the trajectory was recorded with.

Exit codes: 0 done, 1 something couldn't be read or exported (the rest was), 2 usage (no such file).";

/// Write recorded trajectories as training data
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Trajectories, as JSON Lines
    #[arg(value_name = "FILE", required_unless_present = "journal")]
    files: Vec<PathBuf>,
    /// Export the episodes in a journal that no server has open, instead of files
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    journal: Option<PathBuf>,
    /// What a line looks like
    #[arg(long, value_enum, default_value_t = Format::Openai)]
    format: Format,
    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Export only trajectories with the reward 1.0
    #[arg(long, conflicts_with = "all")]
    passed: bool,
    /// Export also trajectories without a reward: faulted ones, unjudged ones and free play
    #[arg(long)]
    all: bool,
    /// Export also trajectories of a package that has changed since, with the texts and tools that it has now
    #[arg(long)]
    allow_changed: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A conversation with tool calls, as in OpenAI's chat completions and their fine-tuning
    Openai,
    /// A flat record of the calls
    Jsonl,
}

/// What becomes of a trajectory.
enum Exported {
    /// Its line.
    Line(String),
    /// Nothing was judged, so there is no reward.
    Unrewarded,
    /// It earned less than asked for.
    Failed,
    /// It can't be exported.
    Broken(String),
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    telemetry::init(LogFormat::Text, Some("error"));
    let environments = Loaded::new(&options.packages);
    match &options.journal {
        Some(directory) => {
            let (source, progress) = sources::journal(directory, &environments)?;
            export_all(source, progress, &environments, options)
        }
        None => {
            let (source, progress) = sources::files(&options.files)?;
            export_all(source, progress, &environments, options)
        }
    }
}

fn export_all(
    source: impl Iterator<Item = Sourced> + Send,
    progress: ProgressBar,
    environments: &Loaded<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let mut writer = Writer::open(options, progress.clone())?;
    let worked =
        sources::in_order(source, |sourced| export(environments, sourced, options), |exported| writer.take(exported));
    progress.finish_and_clear();
    if writer.reader_gone {
        return Ok(());
    }
    worked?;
    writer.finish()
}

fn export(environments: &Loaded<'_>, sourced: Sourced, options: &Options) -> Exported {
    let Sourced { file, line, found } = sourced;
    let place = line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
    let trajectory = match found {
        Ok(trajectory) => trajectory,
        Err(problem) => return Exported::Broken(format!("{place}: {problem}")),
    };
    match (record::reward(&trajectory), options) {
        (None, Options { all: false, .. }) => Exported::Unrewarded,
        (Some(reward), Options { passed: true, .. }) if reward < 1.0 => Exported::Failed,
        _ => match text(environments, &trajectory, options) {
            Ok(text) => Exported::Line(text),
            Err(problem) => Exported::Broken(format!("{place}: {problem}")),
        },
    }
}

fn text(environments: &Loaded<'_>, trajectory: &Trajectory, options: &Options) -> Result<String, String> {
    let environment = environments.get(&trajectory.header.environment)?;
    if environment.digest() != trajectory.header.package_digest && !options.allow_changed {
        let name = &trajectory.header.environment;
        return Err(format!(
            "the package of {name} has changed since it was recorded, so its texts and tools may not be those that the \
             agent saw; --envs DIR finds the package elsewhere, --allow-changed exports it with the texts of now"
        ));
    }
    let episode = replay::episode(&environment, &trajectory.header)?;
    let sample = Sample { trajectory, episode: &episode };
    let text = match options.format {
        Format::Openai => serde_json::to_string(&sample.conversation()),
        Format::Jsonl => serde_json::to_string(&sample.record()),
    };
    text.map_err(|err| err.to_string())
}

/// Writes lines and counts what is left out.
struct Writer {
    to: Box<dyn Write + Send>,
    /// What is written to, for messages.
    name: String,
    progress: ProgressBar,
    /// True once whoever read stdout has stopped reading, which is no failure.
    reader_gone: bool,
    exported: usize,
    unrewarded: usize,
    failed: usize,
    broken: usize,
}

impl Writer {
    fn open(options: &Options, progress: ProgressBar) -> Result<Self, Failure> {
        let (to, name): (Box<dyn Write + Send>, String) = match &options.out {
            None => (Box::new(io::stdout()), "stdout".to_owned()),
            Some(path) => {
                let same = |file: &PathBuf| {
                    file.canonicalize().ok().is_some_and(|file| Some(file) == path.canonicalize().ok())
                };
                if options.files.iter().any(same) {
                    return Err(Failure::usage(format!("{} is one of the trajectories", path.display())));
                }
                let file = File::create(path)
                    .map_err(|err| Failure::failed(format!("failed to write {}: {err}", path.display())))?;
                (Box::new(file), path.display().to_string())
            }
        };
        let to: Box<dyn Write + Send> = Box::new(BufWriter::new(to));
        Ok(Self { to, name, progress, reader_gone: false, exported: 0, unrewarded: 0, failed: 0, broken: 0 })
    }

    fn take(&mut self, exported: Exported) -> Result<(), Failure> {
        match exported {
            Exported::Line(text) => {
                let written = writeln!(self.to, "{text}");
                self.written(written)?;
                self.exported += 1;
            }
            Exported::Unrewarded => self.unrewarded += 1,
            Exported::Failed => self.failed += 1,
            Exported::Broken(problem) => {
                self.broken += 1;
                self.progress.suspend(|| say(&format!("error: {problem}")));
            }
        }
        self.progress.set_message(format!("{} exported", self.exported));
        Ok(())
    }

    fn written(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        written.map_err(|err| {
            self.reader_gone = err.kind() == io::ErrorKind::BrokenPipe;
            Failure::failed(format!("failed to write to {}: {err}", self.name))
        })
    }

    fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.to.flush();
        match self.written(flushed) {
            Err(_) if self.reader_gone => return Ok(()),
            flushed => flushed?,
        }
        let Self { exported, unrewarded, failed, broken, .. } = self;
        let all = exported + unrewarded + failed + broken;
        let mut text = format!("exported {exported} of {all} trajectories");
        for (count, what) in [
            (unrewarded, "left out without a reward (--all exports them)"),
            (failed, "left out that didn't pass"),
            (broken, "broken"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        say(&text);
        if broken == 0 { Ok(()) } else { Err(Failure::reported()) }
    }
}

fn say(text: &str) {
    // Nothing is left to tell where stderr is gone.
    drop(writeln!(io::stderr(), "{text}"));
}
