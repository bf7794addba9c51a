//! The engine: packages compiled to environments, calls executed, final states judged. Synchronous, and the same everywhere.

pub mod arguments;
pub mod environment;
pub mod state;
pub mod task;
pub mod verify;

pub(crate) mod answer;
pub(crate) mod catalog;
pub(crate) mod compare;
pub(crate) mod execute;
mod load;
pub(crate) mod output;
pub(crate) mod program;
pub(crate) mod snapshot;
pub(crate) mod solution;

pub use self::load::Loaded;

use crate::package::diagnostic::{Code, Diagnostic};

/// The name nearest to `name` among `known`, where one is near enough to be meant.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    const NEAR: f64 = 0.75;
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// The finding for SQL of a package that doesn't compile.
fn sql_finding(err: &rusqlite::Error, file: &str, line: usize, subject: &str) -> Diagnostic {
    let forbidden = err.sqlite_error_code() == Some(rusqlite::ErrorCode::AuthorizationForStatementDenied);
    let code = if forbidden { Code::SqlForbidden } else { Code::SqlInvalid };
    Diagnostic::new(code, file, line, format!("{subject}: {err}"))
}
