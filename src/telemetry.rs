//! Logs: the only module that names `tracing_subscriber`. They go to stderr, since stdout belongs to a command's output (and
//! over stdio to the protocol).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged unless told otherwise: rmcp reports every request at `info`, and at `warn` every error it answers with, which
/// are agents' mistakes and no concern of the log.
const DEFAULT_FILTER: &str = "info,rmcp=error";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Starts logging to stderr. `filter` is in `tracing`'s syntax (`info`, `envfarm=debug`, ..); a filter that doesn't parse
/// falls back to the default and says so. A second call changes nothing.
pub fn init(format: LogFormat, filter: Option<&str>) {
    let parsed = filter.map(EnvFilter::try_new);
    let unreadable = matches!(parsed, Some(Err(_)));
    let filter = match parsed {
        Some(Ok(filter)) => filter,
        Some(Err(_)) | None => EnvFilter::new(DEFAULT_FILTER),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_ok() && unreadable {
        tracing::warn!("the log filter doesn't parse; logging `{DEFAULT_FILTER}` instead");
    }
}
