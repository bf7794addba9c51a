//! What says where a package comes from names its tools and tasks, all of them and no others.

use std::collections::BTreeSet;

use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{At, OriginFile};
use crate::package::{ORIGIN_FILE, Package};

pub(super) fn check(package: &Package) -> Vec<Diagnostic> {
    let Some(origin) = &package.origin else { return Vec::new() };
    let tools = package.tools.iter().map(|tool| tool.name.as_str()).collect();
    let tasks = package.tasks.iter().map(|task| task.name.as_str()).collect();
    let mut findings = differences("tool", &tools, origin.tools.iter().map(|(name, from)| (name.as_str(), from.line)));
    findings.extend(differences("task", &tasks, origin.tasks.iter().map(|(name, from)| (name.as_str(), from.line))));
    findings.extend(sources(origin));
    findings
}

fn differences<'p>(
    kind: &str,
    known: &BTreeSet<&'p str>,
    named: impl Iterator<Item = (&'p str, usize)>,
) -> Vec<Diagnostic> {
    let mut missing = known.clone();
    let mut findings = Vec::new();
    for (name, line) in named {
        missing.remove(name);
        if !known.contains(name) {
            findings.push(finding(line, format!("names the {kind} {name}, which the package doesn't have")));
        }
    }
    findings.extend(missing.iter().map(|name| finding(0, format!("doesn't name the {kind} {name}"))));
    findings
}

/// A tool is the blueprint's own or a module's.
fn sources(origin: &OriginFile) -> Vec<Diagnostic> {
    let plain = |from: &At<String>| {
        from.value == "own" || from.strip_prefix("module:").is_some_and(|module| !module.trim().is_empty())
    };
    let strange = origin.tools.iter().filter(|(_, from)| !plain(from));
    strange
        .map(|(name, from)| finding(from.line, format!("{name}: {:?} is neither own nor module:<name>", from.value)))
        .collect()
}

fn finding(line: usize, message: String) -> Diagnostic {
    Diagnostic::new(Code::OriginMismatch, ORIGIN_FILE, line, message)
}
