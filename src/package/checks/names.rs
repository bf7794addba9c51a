//! Names are `snake_case`, distinct, and none of those that trainers reserve.

use std::collections::HashSet;

use crate::id::{NAME_LENGTH_MAX, is_snake_case};
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::At;
use crate::package::{ENVIRONMENT_FILE, Package, TASKS_FILE, TOOLS_FILE};

/// Names that trainers use for their own operations on an environment (OpenEnv, NeMo Gym, verifiers), so that a tool of that
/// name would shadow them.
const RESERVED: &[&str] =
    &["reset", "step", "state", "close", "verify", "get_reward", "seed_session", "aggregate_metrics", "mcp"];

pub(super) fn check(package: &Package) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let name = &package.environment.name;
    well_formed(name, ENVIRONMENT_FILE, &mut findings);
    if let Some(family) = &package.environment.family {
        well_formed(family, ENVIRONMENT_FILE, &mut findings);
    }
    let folder = package.directory.canonicalize().ok();
    let folder = folder.as_deref().and_then(|path| path.file_name());
    if let Some(folder) = folder.and_then(|folder| folder.to_str())
        && folder != name.value
    {
        let message = format!("the environment is named {:?} in a folder named {folder:?}", name.value);
        findings.push(
            Diagnostic::new(Code::NameInvalid, ENVIRONMENT_FILE, name.line, message).hint("give both the same name"),
        );
    }

    distinct(package.tools.iter().map(|tool| &tool.name), TOOLS_FILE, &mut findings);
    distinct(package.tasks.iter().map(|task| &task.name), TASKS_FILE, &mut findings);
    for tool in &package.tools {
        if RESERVED.contains(&tool.name.as_str()) {
            let message = format!("trainers reserve the name {:?}", tool.name.value);
            findings.push(Diagnostic::new(Code::ToolReserved, TOOLS_FILE, tool.name.line, message));
        }
    }
    findings
}

fn distinct<'a>(names: impl Iterator<Item = &'a At<String>>, file: &str, findings: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for name in names {
        well_formed(name, file, findings);
        if !seen.insert(name.as_str()) {
            let message = format!("{:?} is there twice", name.value);
            findings.push(Diagnostic::new(Code::NameDuplicate, file, name.line, message));
        }
    }
}

fn well_formed(name: &At<String>, file: &str, findings: &mut Vec<Diagnostic>) {
    if !is_snake_case(name) || name.len() > NAME_LENGTH_MAX {
        let message = format!("{:?} is not a snake_case name", name.value);
        findings.push(Diagnostic::new(Code::NameInvalid, file, name.line, message));
    }
}
