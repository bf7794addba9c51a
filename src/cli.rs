//! The command line: one file per command under `cli/`. A command parses its options, does its work with the layers below,
//! and says in the end how it went. Output goes to stdout, logs and errors to stderr.
//!
//! To add a command: a module with `Options` (clap's `Args`) and `run`, a variant of `Command`, an arm in [`run`].

mod audit;
mod bench;
mod check;
mod config;
mod export;
mod list;
mod new;
mod packages;
mod play;
mod replay;
mod schemas;
mod serve;
mod settings;
mod shown;
mod solve;
mod sources;
mod stdio;
mod synth;
mod token;
mod top;
mod transcript;
mod verify;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};
use owo_colors::{OwoColorize, Stream};

use self::settings::Unusable;
use crate::config::LimitOptions;
use crate::engine::nearest;
use crate::episode::EpisodeLimits;
use crate::farm::{Farm, FarmLimits};
use crate::id::{EnvironmentName, TaskName};

/// Exit code: the command did what it was asked to, and found nothing to complain about.
pub const EXIT_OK: u8 = 0;
/// Exit code: the command found something (`check`), or what it was asked to do failed.
pub const EXIT_FAILED: u8 = 1;
/// Exit code: the command line can't be understood, or names something that doesn't exist.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: envfarm itself failed.
pub const EXIT_INTERNAL: u8 = 3;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "Examples:
  envfarm serve                               serve every environment under envs/
  envfarm stdio online_shop                   one episode for a desktop client, over stdio
  envfarm list                                which environments there are
  envfarm play online_shop                    try the tools by hand
  envfarm new library && envfarm check        write an environment of your own
  envfarm verify run.jsonl                    judge a recorded trajectory
  envfarm export runs/*.jsonl --passed        training data from recorded trajectories

Exit codes: 0 done, 1 findings or failure, 2 usage, 3 internal error.";

/// A farm of small, real environments for tool-using agents, served over the Model Context Protocol
#[derive(Debug, Parser)]
#[command(name = "envfarm", version, styles = STYLES, after_help = EXAMPLES, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Options>),
    Top(top::Options),
    Stdio(stdio::Options),
    List(list::Options),
    Play(play::Options),
    Solve(solve::Options),
    Verify(verify::Options),
    Replay(replay::Options),
    Export(export::Options),
    Check(check::Options),
    Audit(audit::Options),
    Synth(synth::Options),
    New(new::Options),
    Config(config::Options),
    Token(token::Options),
    Schemas(schemas::Options),
    Bench(bench::Options),
    #[command(hide = true)]
    Transcript(transcript::Options),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let command_line = match settings::command_line() {
        Ok(command_line) => command_line,
        Err(Unusable::CommandLine(err)) => {
            // Nothing is left to report to where the terminal is gone.
            drop(err.print());
            return ExitCode::from(if err.use_stderr() { EXIT_USAGE } else { EXIT_OK });
        }
        Err(Unusable::File(failure)) => return ended(Err(failure)),
    };
    let outcome = match command_line.command {
        Command::Top(options) => top::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Stdio(options) => stdio::run(options),
        Command::List(options) => list::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Synth(options) => synth::run(&options),
        Command::Play(options) => play::run(&options),
        Command::Solve(options) => solve::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Export(options) => export::run(&options),
        Command::New(options) => new::run(&options),
        Command::Config(options) => config::run(&options),
        Command::Token(options) => token::run(&options),
        Command::Schemas(options) => schemas::run(&options),
        Command::Transcript(options) => transcript::run(&options),
        Command::Bench(options) => bench::run(&options),
    };
    ended(outcome)
}

/// Says how it went.
fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(failure) => {
            if !failure.message.is_empty() {
                let label = "error:";
                let label = label.if_supports_color(Stream::Stderr, |label| label.red());
                drop(writeln!(io::stderr(), "{label} {failure}"));
            }
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Why a command failed, for the person who ran it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    /// What was asked for couldn't be done.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit_code: EXIT_FAILED, message: message.into() }
    }

    /// The command did its work, and what it printed says that something is wrong.
    pub(crate) fn reported() -> Self {
        Self::failed("")
    }

    /// What was asked for makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: EXIT_USAGE, message: message.into() }
    }

    /// envfarm's own fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { exit_code: EXIT_INTERNAL, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// Writes to stdout. Whoever reads it may stop reading (`envfarm list | head`), which is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("failed to write to stdout: {err}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The farm's limits as the options have them.
pub(crate) fn farm_limits(options: &LimitOptions) -> FarmLimits {
    FarmLimits {
        live_episodes_max: options.live_episodes_max,
        environments_max: options.environments_max,
        idle_ttl: Duration::from_secs(options.idle_ttl_s),
        ended_ttl: Duration::from_secs(options.ended_ttl_s),
        episode: EpisodeLimits {
            calls_max: options.calls_max,
            call_deadline: Duration::from_millis(options.call_deadline_ms),
            call_steps_max: options.call_steps_max,
        },
    }
}

/// An environment by its name, among those there are.
pub(crate) fn environment_name(text: &str, farm: &Farm) -> Result<EnvironmentName, Failure> {
    let known = || farm.environment_names();
    known().find(|name| name.as_ref() == text).cloned().ok_or_else(|| {
        let known: Vec<&str> = known().map(AsRef::as_ref).collect();
        Failure::usage(unknown("environment", text, known.into_iter()))
    })
}

/// A task by its name, among those an environment has.
pub(crate) fn task_name<'a>(
    text: &str,
    known: impl Iterator<Item = &'a TaskName> + Clone,
) -> Result<TaskName, Failure> {
    known
        .clone()
        .find(|name| name.as_ref() == text)
        .cloned()
        .ok_or_else(|| Failure::usage(unknown("task", text, known.map(AsRef::as_ref))))
}

/// Says that there is no such thing, and what there is: a close name, else all of them.
pub(crate) fn unknown<'a>(kind: &str, text: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all: Vec<&str> = known.clone().collect();
    match nearest(text, known) {
        Some(near) => format!("there is no {kind} {text:?}; did you mean {near}?"),
        None if all.is_empty() => format!("there is no {kind} {text:?}, nor any other"),
        None => format!("there is no {kind} {text:?}; there are: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        CommandLine::command().debug_assert();
    }

    #[test]
    fn unknown_names_get_suggestions() {
        let known = ["online_shop", "retail_bank"];
        let message = |text| unknown("environment", text, known.into_iter());
        assert_eq!(message("online_shp"), "there is no environment \"online_shp\"; did you mean online_shop?");
        assert_eq!(message("x"), "there is no environment \"x\"; there are: online_shop, retail_bank");
        assert_eq!(unknown("task", "x", std::iter::empty()), "there is no task \"x\", nor any other");
    }
}
