//! Showing the settings: the commented default file, and what is in force and why.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::file::File;
use super::{Origin, key, settings_of};

/// Comments are wrapped at this column.
const WIDTH: usize = 100;

const HEAD: &str = "\
# The settings of `envfarm serve`, each with its default; `envfarm config` prints this file. Read from
# --config FILE, ENVFARM_CONFIG or ./envfarm.toml. Flags count over environment variables, and those
# over this file. Relative paths are relative to the folder that `envfarm serve` is started in.
# `envfarm serve --print-config` shows what is in force.
";

const TOKENS: &str = "
# --- Tokens ---

# Trainers with tokens of their own, each seeing its own episodes only; needs an admin token as well.
# `envfarm token` makes a token and prints its digest. Quotas are optional: live episodes at a time, and
# calls a second of all its episodes together. Repeat the section for more.
#[[tokens]]
#name = \"team_a\"
#token_sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"  # or token_file = \"FILE\"
#live_episodes_max = 2000
#calls_per_s = 500
";

/// The default file: every setting with its help, commented out.
pub(in crate::cli) fn commented(serve: &Command) -> String {
    let mut text = HEAD.to_owned();
    let mut heading = None;
    for arg in settings_of(serve) {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            let _ = write!(text, "\n# --- {} ---\n", heading.unwrap_or_default());
        }
        text.push('\n');
        let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let places = format!("(--{}, {})", arg.get_long().unwrap_or_default(), variable(arg));
        comment(&mut text, &format!("{}. {places}", help.trim_end_matches('.')));
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let _ = match (arg.get_action(), defaults.first()) {
            (ArgAction::Append, None) => writeln!(text, "#{} = []", key(arg)),
            (_, None) => writeln!(text, "#{} = \"{}\"  # not set by default", key(arg), placeholder(arg)),
            (_, Some(default)) => writeln!(text, "#{} = {}", key(arg), literal(default)),
        };
    }
    text.push_str(TOKENS);
    text
}

fn variable(arg: &Arg) -> String {
    arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn placeholder(arg: &Arg) -> &str {
    arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}

/// A value as TOML has it: numbers and booleans bare, anything else in quotes.
fn literal(value: &str) -> String {
    let bare = value == "true" || value == "false" || value.parse::<i64>().is_ok();
    if bare { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

fn comment(text: &mut String, sentence: &str) {
    text.push('#');
    let mut column = 1;
    for word in sentence.split_whitespace() {
        let length = word.chars().count() + 1;
        if column + length > WIDTH {
            text.push_str("\n#");
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

/// What is in force, a setting a line with where it comes from.
pub(super) fn effective(
    serve: &Command,
    given: &ArgMatches,
    origins: &BTreeMap<String, Origin>,
    path: Option<&Path>,
    file: &File,
) -> String {
    let mut text = String::new();
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    for arg in settings_of(serve) {
        let id = arg.get_id().as_str();
        let values: Vec<String> = given
            .get_raw(id)
            .map(|values| values.map(|value| literal(&value.to_string_lossy())).collect())
            .unwrap_or_default();
        let value = match (arg.get_action(), values.as_slice()) {
            (ArgAction::Append, values) => format!("{} = [{}]", key(arg), values.join(", ")),
            (_, [value, ..]) => format!("{} = {value}", key(arg)),
            (_, []) => format!("#{} is not set", key(arg)),
        };
        let origin = match origins.get(id) {
            Some(Origin::Flag) => "flag".to_owned(),
            Some(Origin::Variable) => variable(arg),
            Some(Origin::File) => format!("{path}:{}", file.values.get(id).map_or(0, |value| value.line)),
            Some(Origin::Default) | None => "default".to_owned(),
        };
        let _ = writeln!(text, "{value:<40} # {origin}");
    }
    for trainer in &file.trainers {
        let limit = |limit: Option<String>| limit.unwrap_or_else(|| "any number of".to_owned());
        let _ = writeln!(
            text,
            "# token {}: {} live episodes, {} calls a second",
            trainer.name,
            limit(trainer.live_episodes_max.map(|max| max.to_string())),
            limit(trainer.calls_per_s.map(|max| max.to_string())),
        );
    }
    text
}
