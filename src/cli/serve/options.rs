//! What `serve` can be told. The names of the long flags are the keys of the configuration file too; see `cli::settings`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use crate::cli::settings::Settings;
use crate::config::{ConnectionOptions, JournalOptions, LimitOptions, PORT, PackageOptions};
use crate::http;

const EXAMPLES: &str = "Examples:
  envfarm serve
  envfarm serve --port 0 --envs examples/envs
  envfarm serve --config farm.toml --print-config
  envfarm token && envfarm serve --host 0.0.0.0 --admin-token-file admin.token --allowed-host farm.example

Flags count over environment variables, those over the configuration file (`envfarm config` prints one with every setting
and all defaults). Without --config or ENVFARM_CONFIG it is ./envfarm.toml, if there is one.

stdout begins with the line `listening on http://HOST:PORT`; logs go to stderr.";

/// Serve every environment over HTTP: MCP for agents, REST for trainers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "ENVFARM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print every setting with its value and where that comes from, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Address to listen on
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1", env = "ENVFARM_HOST")]
    pub(super) host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = PORT, env = "ENVFARM_PORT")]
    pub(super) port: u16,
    /// File with the token that may do everything, or the variable ENVFARM_ADMIN_TOKEN with the token itself. Needed where other
    /// machines reach the address, unless --allow-unauthenticated is given
    #[arg(long, value_name = "FILE", env = "ENVFARM_ADMIN_TOKEN_FILE")]
    pub(super) admin_token_file: Option<PathBuf>,
    /// Let everybody do everything, even where other machines reach the address
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        env = "ENVFARM_ALLOW_UNAUTHENTICATED",
        value_parser = BoolishValueParser::new()
    )]
    pub(super) allow_unauthenticated: bool,
    /// Host name that requests may be addressed to, besides the loopback ones; may be repeated
    #[arg(
        long,
        value_name = "NAME",
        env = "ENVFARM_ALLOWED_HOSTS",
        value_parser = host_name,
        value_delimiter = ','
    )]
    pub(super) allowed_host: Vec<String>,
    /// Origin that web pages may call from, besides the loopback ones; may be repeated
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "ENVFARM_ALLOWED_ORIGINS",
        value_parser = origin,
        value_delimiter = ','
    )]
    pub(super) allowed_origin: Vec<String>,
    /// What `mcp_url`s begin with, behind a proxy; otherwise the address a request was sent to
    #[arg(long, value_name = "URL", env = "ENVFARM_BASE_URL", value_parser = base_url)]
    pub(super) base_url: Option<String>,
    /// Log one JSON object a line
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        env = "ENVFARM_JSON_LOGS",
        value_parser = BoolishValueParser::new()
    )]
    pub(super) json_logs: bool,
    /// What to log on stderr, as in `info` or `envfarm=debug`
    #[arg(long, value_name = "FILTER", env = "ENVFARM_LOG")]
    pub(super) log: Option<String>,
    #[command(flatten)]
    pub(super) packages: PackageOptions,
    #[command(flatten)]
    pub(super) limits: LimitOptions,
    #[command(flatten)]
    pub(super) connections: ConnectionOptions,
    #[command(flatten)]
    pub(super) journal: JournalOptions,
    /// What the configuration file said besides.
    #[arg(skip)]
    pub(crate) settings: Settings,
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let valid = http::is_host(text);
    valid.then(|| text.to_owned()).ok_or("expected a host as in farm.example or farm.example:8700")
}

fn origin(text: &str) -> Result<String, &'static str> {
    let valid = http::is_origin(text);
    valid.then(|| text.to_owned()).ok_or("expected an origin as in https://farm.example")
}

fn base_url(text: &str) -> Result<String, &'static str> {
    let valid = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    valid.then(|| text.to_owned()).ok_or("expected a URL as in https://farm.example/envfarm")
}
