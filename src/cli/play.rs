//! `envfarm play`: an episode by hand.

mod complete;
mod line;
mod render;

use std::fs::File;
use std::io::{self, BufRead, BufWriter, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use owo_colors::{OwoColorize, Stream};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use self::complete::LineHelper;
use super::{Failure, packages, print, shown, task_name, unknown};
use crate::config::PackageOptions;
use crate::engine::environment::{Environment, Tool};
use crate::episode::{CallError, Episode, EpisodeLimits};
use crate::telemetry::{self, LogFormat};
use crate::trajectory;

/// Calls that can be undone. Each keeps the pages it has changed, a few kilobytes; more than this nobody takes back by hand.
const UNDO_MAX: usize = 200;

/// Lines of the history file.
const HISTORY_LINES_MAX: usize = 1_000;

const EXAMPLES: &str = "Examples:
  envfarm play online_shop                                    free play
  envfarm play online_shop --task cancel_latest_unshipped_order
  echo 'list_orders status=placed limit=3' | envfarm play online_shop

Type help for the commands; Tab completes commands, tools, arguments and values.";

/// The commands: name, what follows it, what it does.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("tools", "[WORD]", "list the tools, or those with a word"),
    ("describe", "TOOL", "a tool's arguments"),
    ("call", "TOOL name=value ..", "call a tool; `call` may be left out; {JSON} works too"),
    ("diff", "", "what has changed since the start"),
    ("undo", "", "take back the last call"),
    ("task", "", "what is asked, and what the agent reads beside it"),
    ("verify", "[ANSWER]", "judge the episode and end it; undo takes that back"),
    ("reset", "", "back to the start"),
    ("history", "", "the calls so far"),
    ("save", "FILE", "write the trajectory, for `envfarm verify`"),
    ("help", "", "this list"),
    ("quit", "", "leave"),
];

/// Play an environment by hand: call its tools, look at what changed, undo, verify
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The environment's name
    environment: String,
    /// Play this task; free play without
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Seed of the episode's randomness
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Act as the actor with this id instead of the task's or the environment's
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    #[command(flatten)]
    packages: PackageOptions,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    telemetry::init(LogFormat::Text, Some("warn"));
    let environment = packages::load(&options.packages, &options.environment)?;
    let task = options.task.as_deref().map(|task| task_name(task, environment.tasks().keys())).transpose()?;
    let actor = options.actor.as_deref().map(|actor| packages::actor(&environment, actor)).transpose()?;
    let episode = Episode::new(Arc::clone(&environment), task, options.seed, actor, EpisodeLimits::default());
    let mut table = Table {
        episode: episode.map_err(|err| Failure::usage(err.to_string()))?,
        made: Vec::new(),
        before: Vec::new(),
        terminal: io::stdout().is_terminal(),
    };
    if io::stdin().is_terminal() {
        print(&table.welcome())?;
        by_hand(&mut table, environment)
    } else {
        script(&mut table)
    }
}

/// Lines from a terminal, with completion and a history that outlives the process.
fn by_hand(table: &mut Table, environment: Arc<Environment>) -> Result<(), Failure> {
    let failed = |err: ReadlineError| Failure::failed(format!("failed to read from the terminal: {err}"));
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(HISTORY_LINES_MAX)
        .map_err(failed)?
        .build();
    let mut editor: Editor<LineHelper, FileHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(LineHelper { environment }));
    let history = history_file();
    if let Some(history) = &history {
        // The first time there is none.
        drop(editor.load_history(history));
    }
    let prompt = format!("{}> ", table.episode.environment().name());
    loop {
        match editor.readline(&prompt) {
            Ok(line) => {
                // A line that can't be remembered is no reason to stop.
                drop(editor.add_history_entry(line.as_str()));
                match table.execute(&line) {
                    Ok(Reply::Text(text)) => print(&text)?,
                    Ok(Reply::Quit) => break,
                    Err(message) => print(&error(&message))?,
                }
            }
            Err(ReadlineError::Interrupted) => print("(quit, or Ctrl-D, leaves)\n")?,
            Err(ReadlineError::Eof) => break,
            Err(err) => return Err(failed(err)),
        }
    }
    if let Some(history) = &history {
        drop(editor.save_history(history));
    }
    Ok(())
}

/// Lines from a pipe or a file; `#` begins a comment.
fn script(table: &mut Table) -> Result<(), Failure> {
    let mut mistakes = 0;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|err| Failure::failed(format!("failed to read the script: {err}")))?;
        if line.trim_start().starts_with('#') {
            continue;
        }
        match table.execute(&line) {
            Ok(Reply::Text(text)) => print(&text)?,
            Ok(Reply::Quit) => break,
            Err(message) => {
                mistakes += 1;
                print(&error(&message))?;
            }
        }
    }
    match mistakes {
        0 => Ok(()),
        1 => Err(Failure::failed("a line of the script could not be done")),
        more => Err(Failure::failed(format!("{more} lines of the script could not be done"))),
    }
}

fn error(message: &str) -> String {
    let label = "error:";
    format!("{} {message}\n", label.if_supports_color(Stream::Stdout, |label| label.red()))
}

/// Where lines are remembered: the user's folder for state (XDG base directories).
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let directory = state.or_else(home)?.join("envfarm");
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("play_history"))
}

/// What a line came to.
enum Reply {
    Text(String),
    Quit,
}

/// What lies on the table: the episode, what was done, and how it was before.
struct Table {
    episode: Episode,
    made: Vec<Made>,
    before: Vec<Before>,
    terminal: bool,
}

/// A call that was made.
#[derive(Clone)]
struct Made {
    call: String,
    outcome: &'static str,
}

/// How it was before a line.
struct Before {
    episode: Episode,
    made: Vec<Made>,
}

impl Table {
    fn execute(&mut self, line: &str) -> Result<Reply, String> {
        let words = line::words(line)?;
        let Some((command, rest)) = words.split_first() else {
            return Ok(Reply::Text(String::new()));
        };
        let text = match command.as_str() {
            "quit" | "exit" => return Ok(Reply::Quit),
            "help" => help(),
            "tools" => render::tools(self.episode.environment(), &rest.join(" "), self.terminal),
            "describe" => {
                let name = rest.first().ok_or("describe which tool? `tools` lists them")?;
                render::describe(self.tool(name)?, self.terminal)
            }
            "call" => match rest.split_first() {
                Some((tool, arguments)) => self.call(tool, arguments)?,
                None => return Err("call which tool? `tools` lists them".to_owned()),
            },
            "diff" => render::diff(&self.episode.diff().map_err(|err| err.to_string())?, self.terminal),
            "undo" => self.undo()?,
            "task" => self.task(),
            "verify" => {
                // The answer as it was typed, spaces and quotes included.
                let answer = line.trim().strip_prefix("verify").unwrap_or_default().trim();
                self.verify(answer)?
            }
            "reset" => {
                self.remember();
                self.episode.reset();
                self.made.clear();
                "back at the start\n".to_owned()
            }
            "history" => self.history(),
            "save" => self.save(rest.first().ok_or("save to which file?")?)?,
            tool => self.call(tool, rest)?,
        };
        Ok(Reply::Text(text))
    }

    fn tool(&self, name: &str) -> Result<&Tool, String> {
        let tools = self.episode.environment().tools();
        tools.get(name).ok_or_else(|| {
            let known = COMMANDS.iter().map(|(command, _, _)| *command);
            let message = unknown("command or tool", name, known.chain(tools.keys().map(AsRef::as_ref)));
            if message.contains("did you mean") {
                message
            } else {
                format!("there is no command or tool {name:?}; `help` lists the commands, `tools` the tools")
            }
        })
    }

    fn call(&mut self, name: &str, words: &[String]) -> Result<String, String> {
        let tool = self.tool(name)?;
        let arguments = line::arguments(tool.input_schema(), words)?;
        let before = Before { episode: self.episode.fork(), made: self.made.clone() };
        let observation = self.episode.call(name, arguments.clone()).map_err(|err| match err {
            CallError::Ended { .. } => format!("{err}; undo or reset to go on"),
            other => other.to_string(),
        })?;
        self.keep(before);
        let mut call = name.to_owned();
        for (name, value) in &arguments {
            call.push_str(&format!(" {name}={}", shown::argument(value)));
        }
        self.made.push(Made { call, outcome: if observation.is_error() { "refused" } else { "done" } });
        Ok(render::observation(&observation, self.terminal))
    }

    fn remember(&mut self) {
        let before = Before { episode: self.episode.clone(), made: self.made.clone() };
        self.keep(before);
    }

    fn keep(&mut self, before: Before) {
        if self.before.len() == UNDO_MAX {
            self.before.remove(0);
        }
        self.before.push(before);
    }

    fn undo(&mut self) -> Result<String, String> {
        let before = self.before.pop().ok_or("there is nothing to undo")?;
        self.episode = before.episode;
        let undone =
            self.made.get(before.made.len()).map_or_else(|| "the last step".to_owned(), |made| made.call.clone());
        self.made = before.made;
        Ok(format!("took back {undone}\n"))
    }

    fn verify(&mut self, answer: &str) -> Result<String, String> {
        self.remember();
        let answer = (!answer.is_empty()).then_some(answer);
        let verdict = self.episode.verify(answer).map_err(|err| err.to_string())?;
        if self.terminal {
            return Ok(shown::verdict(&verdict));
        }
        let document = serde_json::to_string(&verdict).map_err(|err| err.to_string())?;
        Ok(format!("{document}\n"))
    }

    fn history(&self) -> String {
        let lines = self.made.iter().enumerate();
        lines.map(|(index, made)| format!("{:>3}  {}  ({})\n", index + 1, made.call, made.outcome)).collect()
    }

    fn save(&self, path: &str) -> Result<String, String> {
        let failed = |err: io::Error| format!("failed to write {path}: {err}");
        let trajectory = self.episode.trajectory().map_err(|err| err.to_string())?;
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        for line in trajectory.lines() {
            trajectory::write(&mut file, &line).map_err(failed)?;
        }
        Ok(format!("saved to {path}; `envfarm verify {path}` judges it\n"))
    }

    fn task(&self) -> String {
        let instruction = self.episode.instruction().unwrap_or("Free play: nothing is asked.");
        format!("{}\n\n{instruction}\n", self.episode.context())
    }

    fn welcome(&self) -> String {
        let environment = self.episode.environment();
        let title = environment.title();
        format!(
            "{}, {} tools. `help` lists the commands; Tab completes.\n\n{}\n",
            title.if_supports_color(Stream::Stdout, |title| title.bold()),
            environment.tools().len(),
            self.task(),
        )
    }
}

fn help() -> String {
    let lines = COMMANDS.iter().map(|(name, rest, does)| format!("  {:<26} {does}\n", format!("{name} {rest}")));
    lines.collect()
}
