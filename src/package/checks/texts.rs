//! Texts that people and agents read are there, and virtual time starts at a time.

use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::At;
use crate::package::{ENVIRONMENT_FILE, Package, TASKS_FILE, TOOLS_FILE};

/// Shortest description of a tool. Below this it can't say when to use the tool and what it refuses.
const TOOL_DESCRIPTION_LENGTH_MIN: usize = 20;

/// Shortest instruction of a task.
const INSTRUCTION_LENGTH_MIN: usize = 10;

pub(super) fn check(package: &Package) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut require = |file: &str, what: &str, text: &At<String>, length_min: usize| {
        let length = text.trim().chars().count();
        if length < length_min {
            let message = format!("{what} has {length} characters, fewer than {length_min}");
            findings.push(Diagnostic::new(Code::TextMissing, file, text.line, message));
        }
    };
    let environment = &package.environment;
    require(ENVIRONMENT_FILE, "the title", &environment.title, 1);
    require(ENVIRONMENT_FILE, "the summary", &environment.summary, 1);
    require(ENVIRONMENT_FILE, "the domain", &environment.domain, 1);
    require(ENVIRONMENT_FILE, "the instructions text", &environment.instructions, 1);
    for tool in &package.tools {
        require(TOOLS_FILE, "the title", &tool.title, 1);
        require(TOOLS_FILE, "the description", &tool.description, TOOL_DESCRIPTION_LENGTH_MIN);
    }
    for task in &package.tasks {
        require(TASKS_FILE, "the instruction", &task.instruction, INSTRUCTION_LENGTH_MIN);
    }

    let clock = &environment.clock;
    if crate::clock::parse(clock).is_none_or(|start| !crate::clock::leaves_room(start)) {
        let message = format!("{:?} is no start for virtual time", clock.value);
        findings.push(Diagnostic::new(Code::ClockInvalid, ENVIRONMENT_FILE, clock.line, message));
    }
    findings
}
