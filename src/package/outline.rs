//! What a list says of a package: read from three of its files, without compiling or checking anything.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::diagnostic::Diagnostic;
use super::files::{At, EnvironmentFile, TaskFile};
use super::{ENVIRONMENT_FILE, TASKS_FILE, TOOLS_FILE, digest, parse, read_file};

/// A package as far as a list needs it.
#[derive(Debug, Clone)]
pub struct Outline {
    /// `environment.yaml`.
    pub environment: EnvironmentFile,
    /// `tasks.yaml`.
    pub tasks: Vec<At<TaskFile>>,
    /// Number of tools.
    pub tools: usize,
    /// SHA-256 over the names and bytes of the five files, in hexadecimal.
    pub digest: String,
}

/// A tool, of which only that there is one matters.
#[derive(Deserialize)]
struct AnyTool {
    #[serde(rename = "name")]
    _name: IgnoredAny,
}

/// Reads the package in `directory`.
///
/// # Errors
/// What is wrong with a file that can't be read. A package without such an error may still have others.
pub fn read(directory: &Path) -> Result<Outline, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut text = |name: &str| match read_file(&directory.join(name)) {
        Ok(text) => Some(text),
        Err((code, message)) => {
            findings.push(Diagnostic::new(code, name, 0, message));
            None
        }
    };
    let (environment, tools, tasks) = (text(ENVIRONMENT_FILE), text(TOOLS_FILE), text(TASKS_FILE));
    let environment = environment.and_then(|text| parse(&text, ENVIRONMENT_FILE, &mut findings));
    let tools = tools.and_then(|text| parse::<Vec<AnyTool>>(&text, TOOLS_FILE, &mut findings));
    let tasks = tasks.and_then(|text| parse(&text, TASKS_FILE, &mut findings));
    match (environment, tools, tasks, digest(directory)) {
        (Some(environment), Some(tools), Some(tasks), Some(digest)) => {
            Ok(Outline { environment, tasks, tools: tools.len(), digest })
        }
        _ => Err(findings),
    }
}
