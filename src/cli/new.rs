//! `envfarm new`: a small package that works, to be changed into another one.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, print};
use crate::id::EnvironmentName;
use crate::package::{DATA_FILE, ENVIRONMENT_FILE, SCHEMA_FILE, TASKS_FILE, TOOLS_FILE};

const EXAMPLES: &str = "Examples:
  envfarm new lending_library                 make envs/lending_library
  envfarm new bike_rental --dir my_envs       or my_envs/bike_rental
  envfarm check envs/lending_library          it passes; keep it so while you change it
  envfarm play lending_library                try its tools by hand";

/// The files of the package.
const TEMPLATES: [(&str, &str); 5] = [
    (ENVIRONMENT_FILE, include_str!("new/environment.yaml")),
    (SCHEMA_FILE, include_str!("new/schema.sql")),
    (DATA_FILE, include_str!("new/data.sql")),
    (TOOLS_FILE, include_str!("new/tools.yaml")),
    (TASKS_FILE, include_str!("new/tasks.yaml")),
];

/// Make a small package that passes check, with comments that explain each file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Name of the environment and of its folder, in snake_case
    name: String,
    /// Folder to make it in
    #[arg(long, value_name = "DIR", default_value = "envs", env = "ENVFARM_ENVS")]
    dir: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let name = EnvironmentName::parse(&options.name).map_err(|err| {
        let suggestion = suggestion(&options.name).map(|name| format!("; {name} would do")).unwrap_or_default();
        Failure::usage(format!("{err}{suggestion}"))
    })?;
    let directory = options.dir.join(name.as_ref());
    let shown = directory.display();
    if directory.exists() {
        return Err(Failure::usage(format!("{shown} exists already; choose another name, or remove it first")));
    }
    let failed = |err: std::io::Error| Failure::failed(format!("failed to write to {shown}: {err}"));
    fs::create_dir_all(&directory).map_err(failed)?;
    for (file, template) in TEMPLATES {
        let text = template.replace("__NAME__", name.as_ref()).replace("__TITLE__", &title(&name));
        fs::write(directory.join(file), text).map_err(failed)?;
    }
    let envs =
        if options.dir.as_os_str() == "envs" { String::new() } else { format!(" --envs {}", options.dir.display()) };
    print(&format!(
        "{shown} is a small lending library, to be changed into what you want. Its files say how they work.

  envfarm check {shown}
  envfarm play {name}{envs}
  envfarm solve {name} --all{envs}
"
    ))
}

/// The name as a title.
fn title(name: &EnvironmentName) -> String {
    let words = name.as_ref().replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The nearest name that would be accepted.
fn suggestion(text: &str) -> Option<EnvironmentName> {
    let mut name = String::new();
    for (index, letter) in text.trim().chars().enumerate() {
        match letter.to_ascii_lowercase() {
            plain if plain.is_ascii_lowercase() || plain.is_ascii_digit() => {
                if index > 0
                    && letter.is_ascii_uppercase()
                    && text.chars().nth(index - 1).is_some_and(|before| before.is_ascii_lowercase())
                {
                    name.push('_');
                }
                name.push(plain);
            }
            _ if !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    EnvironmentName::parse(name.trim_matches('_')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_get_a_suggestion() {
        let suggested = |text| suggestion(text).map(|name| name.to_string());
        assert_eq!(suggested("BikeRental"), Some("bike_rental".to_owned()));
        assert_eq!(suggested("Bike  rental!"), Some("bike_rental".to_owned()));
        assert_eq!(suggested("1"), None);
    }
}
