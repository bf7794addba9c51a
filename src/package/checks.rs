//! The rules that need no execution, one module each; SQL is checked where it is compiled, in the engine.

mod names;
mod origin;
mod steps;
mod tasks;
mod texts;
mod tool_profile;

pub(crate) use self::tool_profile::SOURCE_KEYWORD;

use super::Package;
use super::diagnostic::Diagnostic;

/// Every finding of every rule.
pub(super) fn all(package: &Package) -> Vec<Diagnostic> {
    let rules = [names::check, texts::check, tool_profile::check, steps::check, tasks::check, origin::check];
    rules.iter().flat_map(|rule| rule(package)).collect()
}
