//! The settings of `serve` from all their places: flags over environment variables over the configuration file over defaults.
//!
//! The definitions of the flags are the only list of settings. A file's values become the defaults of the flags, after a first
//! look at the command line has found which file that is; so clap ranks and checks them like everything else.

mod file;
mod show;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::OsStr;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

pub(super) use self::show::commented;
use super::{CommandLine, Failure};
use crate::config::access::TrainerToken;

/// The configuration file of a folder.
const FILE: &str = "envfarm.toml";

/// The command that has a configuration file.
const SERVE: &str = "serve";

/// Flags of `serve` that are no settings.
const NO_SETTINGS: [&str; 4] = ["config", "print_config", "help", "version"];

/// Where a setting's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable,
    File,
    Default,
}

/// What a command knows about its settings besides their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// The configuration file that was read.
    pub(super) file: Option<PathBuf>,
    /// The tokens it names.
    pub(super) trainers: Vec<TrainerToken>,
    /// Every setting as text, with its origin.
    pub(super) shown: String,
    origins: BTreeMap<String, Origin>,
}

impl Settings {
    /// Where the value of a setting comes from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or(Origin::Default)
    }
}

/// Why the command line can't be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It isn't one, or asks for help.
    CommandLine(clap::Error),
    /// The configuration file isn't one.
    File(Failure),
}

impl From<clap::Error> for Unusable {
    fn from(err: clap::Error) -> Self {
        Self::CommandLine(err)
    }
}

/// The command line this process was started with, settings from all places in it.
pub(super) fn command_line() -> Result<CommandLine, Unusable> {
    let command = CommandLine::command();
    let arguments: Vec<OsString> = env::args_os().collect();
    let matches = command.clone().try_get_matches_from(&arguments)?;
    let Some((SERVE, given)) = matches.subcommand() else {
        return Ok(CommandLine::from_arg_matches(&matches)?);
    };
    let path = match given.get_one::<PathBuf>("config") {
        Some(path) => Some(path.clone()),
        None => Some(PathBuf::from(FILE)).filter(|path| path.is_file()),
    };
    let read = path.map(|path| read(&path, serve_of(&command)).map(|read| (path, read)));
    let (path, file) = read.transpose().map_err(Unusable::File)?.unzip();
    let file = file.unwrap_or_default();
    // A flag that gets another default moves to the end, so `command` stays what is shown.
    let with_file = command.clone().mut_subcommand(SERVE, |serve| with_defaults(serve, &file));
    let matches = with_file.try_get_matches_from(&arguments)?;
    let mut command_line = CommandLine::from_arg_matches(&matches)?;
    if let (super::Command::Serve(options), Some((_, given))) = (&mut command_line.command, matches.subcommand()) {
        let origins = origins(serve_of(&command), given, &file);
        options.settings = Settings {
            shown: show::effective(serve_of(&command), given, &origins, path.as_deref(), &file),
            origins,
            trainers: file.trainers,
            file: path,
        };
    }
    Ok(command_line)
}

/// The definition of `serve`.
pub(super) fn serve() -> Command {
    serve_of(&CommandLine::command()).clone()
}

fn serve_of(command: &Command) -> &Command {
    command.find_subcommand(SERVE).unwrap_or(command)
}

/// The definitions of the settings.
fn settings_of(serve: &Command) -> impl Iterator<Item = &clap::Arg> {
    serve.get_arguments().filter(|arg| !NO_SETTINGS.contains(&arg.get_id().as_str()))
}

/// A setting's key in the file.
fn key(arg: &clap::Arg) -> String {
    arg.get_long().unwrap_or_default().replace('-', "_")
}

fn read(path: &Path, serve: &Command) -> Result<file::File, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|err| Failure::usage(format!("the configuration in {shown} can't be read: {err}")))?;
    file::parse(&text, serve).map_err(|problems| {
        let listed: Vec<String> =
            problems.iter().map(|problem| format!("\n  {shown}:{}: {}", problem.line, problem.message)).collect();
        Failure::usage(format!("the configuration can't be used:{}", listed.concat()))
    })
}

/// The command with the file's values as defaults.
fn with_defaults(mut serve: Command, file: &file::File) -> Command {
    for (id, value) in &file.values {
        let texts: Vec<OsStr> = value.texts.iter().map(OsStr::from).collect();
        serve = serve.mut_arg(id, |arg| arg.default_values(texts));
    }
    serve
}

fn origins(serve: &Command, given: &ArgMatches, file: &file::File) -> BTreeMap<String, Origin> {
    settings_of(serve)
        .map(|arg| {
            let id = arg.get_id().as_str();
            let origin = match given.value_source(id) {
                Some(ValueSource::CommandLine) => Origin::Flag,
                Some(ValueSource::EnvVariable) => Origin::Variable,
                _ if file.values.contains_key(id) => Origin::File,
                _ => Origin::Default,
            };
            (id.to_owned(), origin)
        })
        .collect()
}
