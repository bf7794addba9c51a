//! The generated walk (being written).

use std::sync::Arc;

use crate::engine::environment::Environment;
use crate::package::diagnostic::Diagnostic;

/// Calls every tool in many states and reports what goes wrong.
pub(super) fn check(environment: &Arc<Environment>) -> Vec<Diagnostic> {
    let _ = environment;
    Vec::new()
}
