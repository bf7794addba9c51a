//! `envfarm serve`: every environment over HTTP, for agents and for trainers.

use std::fmt::Write;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use owo_colors::{OwoColorize, Stream};
use tokio::net::TcpListener;

use super::{Failure, farm_limits, print};
use crate::config::{HttpSettings, JournalOptions, LimitOptions, PORT, PackageOptions};
use crate::farm::{Farm, Recovered};
use crate::http;
use crate::id::EnvironmentName;
use crate::journal::JournalSettings;
use crate::telemetry::{self, LogFormat};

/// Environments described on start; of more only the names are printed, since describing one means loading it.
const DESCRIBED_MAX: usize = 20;

const EXAMPLES: &str = "Examples:
  envfarm serve
  envfarm serve --port 0 --envs examples/envs
  envfarm serve --host 0.0.0.0 --allow-remote --allowed-host farm.example

stdout begins with the line `listening on http://HOST:PORT`; logs go to stderr.";

/// Serve every environment over HTTP: MCP for agents, REST for trainers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Address to listen on
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1", env = "ENVFARM_HOST")]
    host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = PORT, env = "ENVFARM_PORT")]
    port: u16,
    /// Listen on an address that other machines reach. There is no authentication yet: whoever reaches it can do everything
    #[arg(long, env = "ENVFARM_ALLOW_REMOTE", value_parser = BoolishValueParser::new())]
    allow_remote: bool,
    /// Host name that requests may be addressed to, besides the loopback ones; may be repeated
    #[arg(
        long,
        value_name = "NAME",
        env = "ENVFARM_ALLOWED_HOSTS",
        value_parser = host_name,
        value_delimiter = ','
    )]
    allowed_host: Vec<String>,
    /// Origin that web pages may call from, besides the loopback ones; may be repeated
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "ENVFARM_ALLOWED_ORIGINS",
        value_parser = origin,
        value_delimiter = ','
    )]
    allowed_origin: Vec<String>,
    /// What `mcp_url`s begin with, behind a proxy; otherwise the address a request was sent to
    #[arg(long, value_name = "URL", env = "ENVFARM_BASE_URL", value_parser = base_url)]
    base_url: Option<String>,
    /// Log one JSON object a line
    #[arg(long, env = "ENVFARM_JSON_LOGS", value_parser = BoolishValueParser::new())]
    json_logs: bool,
    /// What to log on stderr, as in `info` or `envfarm=debug`
    #[arg(long, value_name = "FILTER", env = "ENVFARM_LOG")]
    log: Option<String>,
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    journal: JournalOptions,
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

pub(super) fn run(options: Options) -> Result<(), Failure> {
    let format = if options.json_logs { LogFormat::Json } else { LogFormat::Text };
    telemetry::init(format, options.log.as_deref());
    let addresses = addresses(&options)?;
    let limits = farm_limits(&options.limits);
    let journal = options.journal.settings();
    let farm = match &journal {
        None => Farm::open(&options.packages.envs, limits),
        Some(_) => Farm::open_for_recovery(&options.packages.envs, limits),
    };
    let farm = Arc::new(farm.map_err(|err| Failure::failed(err.to_string()))?);
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|err| Failure::internal(format!("failed to start the async runtime: {err}")))?;
    let served = runtime.block_on(serve(&options, &addresses, Arc::clone(&farm), journal));
    farm.flush().map_err(|err| Failure::failed(err.to_string()))?;
    served
}

async fn serve(
    options: &Options,
    addresses: &[SocketAddr],
    farm: Arc<Farm>,
    journal: Option<JournalSettings>,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(addresses).await.map_err(|err| cannot_listen(options, &err))?;
    let address = listener.local_addr().map_err(|err| Failure::internal(format!("failed to learn the port: {err}")))?;
    print(&format!("listening on http://{address}\n"))?;
    let sweeping = tokio::spawn(sweep(Arc::clone(&farm), options.limits.sweep_interval_ms));
    let router = http::router(Arc::clone(&farm), http_settings(options, address));
    let serving = tokio::spawn(http::serve(listener, router, stop_requested()));

    if let Some(settings) = journal {
        recover(Arc::clone(&farm), settings).await?;
    }
    // Described after the first request could be answered: describing an environment means loading it.
    let envs = options.packages.envs.clone();
    let described = tokio::task::spawn_blocking(move || welcome(&farm, &envs, address)).await;
    match described {
        Ok(text) => print(&text)?,
        Err(err) => tracing::error!(%err, "failed to describe the environments"),
    }
    let served = tokio::select! {
        served = serving => served,
        // Asked twice: don't wait for open requests.
        () = async { stop_requested().await; stop_requested().await } => Ok(Ok(())),
    };
    sweeping.abort();
    match served {
        Ok(Ok(())) => {
            tracing::info!("stopped");
            Ok(())
        }
        Ok(Err(err)) => Err(Failure::failed(format!("failed to serve: {err}"))),
        Err(err) => Err(Failure::internal(format!("the server task ended: {err}"))),
    }
}

/// Reads the journal while the server says that it does.
async fn recover(farm: Arc<Farm>, settings: JournalSettings) -> Result<(), Failure> {
    let recovered = tokio::task::spawn_blocking(move || farm.recover(&settings)).await;
    let recovered = recovered.map_err(|err| Failure::internal(format!("the journal's reader broke off: {err}")))?;
    let Recovered { episodes, faulted } = recovered.map_err(|err| Failure::failed(err.to_string()))?;
    if episodes > 0 {
        print(&format!(
            "{episodes} episodes are back from the journal, {faulted} of them faulted by a changed package\n"
        ))?;
    }
    Ok(())
}

/// Resolves when the process is asked to stop, by Ctrl-C or SIGTERM.
pub(super) async fn stop_requested() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    if interrupted.await.is_err() {
        // No signals to be had: run until killed.
        std::future::pending::<()>().await;
    }
}

/// Ends episodes that nobody has used for long, and keeps the journal small.
async fn sweep(farm: Arc<Farm>, interval_ms: u64) {
    let mut interval = tokio::time::interval(Duration::from_millis(interval_ms));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let farm = Arc::clone(&farm);
        let swept = tokio::task::spawn_blocking(move || {
            farm.sweep();
            farm.compact();
        });
        if let Err(err) = swept.await {
            tracing::error!(%err, "a sweep broke off");
        }
    }
}

/// Where to listen. Without authentication, an address that other machines reach must be asked for explicitly.
fn addresses(options: &Options) -> Result<Vec<SocketAddr>, Failure> {
    let host = options.host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = (host, options.port)
        .to_socket_addrs()
        .map_err(|err| Failure::usage(format!("--host {host} is no address of this machine: {err}")))?
        .collect();
    if options.allow_remote || addresses.iter().all(|address| address.ip().is_loopback()) {
        return Ok(addresses);
    }
    Err(Failure::usage(format!(
        "{host} can be reached from other machines, and there is no authentication yet: whoever reaches it can create, \
         read and end every episode. Use --host 127.0.0.1, or add --allow-remote if that is what you want"
    )))
}

fn cannot_listen(options: &Options, err: &io::Error) -> Failure {
    let Options { host, port, .. } = options;
    let hint = match err.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "port {port} is in use; stop what listens there, or choose another with --port (0 picks a free one)"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} needs privileges; choose one above 1023 with --port")
        }
        _ => format!("{err}"),
    };
    Failure::failed(format!("failed to listen on {host}:{port}: {hint}"))
}

fn http_settings(options: &Options, address: SocketAddr) -> HttpSettings {
    let mut allowed_hosts = options.allowed_host.clone();
    // The host as it was given is one that requests are addressed to.
    allowed_hosts.push(options.host.clone());
    HttpSettings {
        allowed_hosts,
        allowed_origins: options.allowed_origin.clone(),
        any_address_allowed: !address.ip().is_loopback(),
        base_url: options.base_url.clone(),
        body_bytes_max: options.limits.body_bytes_max,
        scratch_episodes_max: options.limits.scratch_episodes_max,
        ..HttpSettings::default()
    }
}

/// What a person reads on start: what is served and how to connect.
fn welcome(farm: &Farm, envs: &Path, address: SocketAddr) -> String {
    let names: Vec<&EnvironmentName> = farm.environment_names().collect();
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "\nenvfarm {} serves {} environments from {}\n",
        env!("CARGO_PKG_VERSION"),
        names.len(),
        envs.display()
    );
    let mut example = None;
    for name in names.iter().take(DESCRIBED_MAX) {
        describe(&mut text, farm, name, address);
        if example.is_none() && farm.environment(name.as_ref()).is_ok() {
            example = Some(name);
        }
    }
    if let Some(more) = names.get(DESCRIBED_MAX..).filter(|more| !more.is_empty()) {
        let _ = writeln!(text, "  .. and {} more; `envfarm list` shows them all", more.len());
    }
    match example {
        Some(name) => how_to_connect(&mut text, farm, name, envs, address),
        None => {
            let _ = writeln!(
                text,
                "  nothing to serve: `envfarm check` says what is wrong, `envfarm new NAME` begins a package"
            );
        }
    }
    text
}

fn describe(text: &mut String, farm: &Farm, name: &EnvironmentName, address: SocketAddr) {
    let bold = name.if_supports_color(Stream::Stdout, |name| name.bold());
    let _ = match farm.environment(name.as_ref()) {
        Ok(environment) => writeln!(
            text,
            "  {bold}  {}, {} tools, {} tasks\n    http://{address}/envs/{name}/mcp",
            environment.title(),
            environment.tools().len(),
            environment.tasks().len(),
        ),
        Err(err) => writeln!(text, "  {bold}  can't be served: {err}; `envfarm check` shows why"),
    };
}

fn how_to_connect(text: &mut String, farm: &Farm, name: &EnvironmentName, envs: &Path, address: SocketAddr) {
    let url = format!("http://{address}/envs/{name}/mcp");
    let program = std::env::current_exe().map_or_else(|_| "envfarm".to_owned(), |path| path.display().to_string());
    let envs = std::path::absolute(envs).unwrap_or_else(|_| envs.to_path_buf());
    let stdio = serde_json::json!({
        "mcpServers": {name.as_ref(): {"command": program, "args": ["stdio", name.as_ref(), "--envs", envs]}}
    });
    let heading = |heading: &str| heading.if_supports_color(Stream::Stdout, |heading| heading.green()).to_string();
    let _ = write!(
        text,
        "
{agent}
  claude mcp add --transport http {name} {url}
{desktop}
  {stdio}
{inspector}
  npx @modelcontextprotocol/inspector --cli {url} --transport http --method tools/list
{trainer}
  curl -s http://{address}/episodes -H 'Content-Type: application/json' -d '{{\"environment\": \"{name}\"}}'

/envs/.. is a convenience: stateless clients with one name at one address share an episode there, unless `?as=NAME` in
the URL tells them apart. Isolation is /episodes/{{id}}/mcp. {keeping}
",
        agent = heading("Connect an agent:"),
        desktop = heading("Or let a desktop client start its own copy:"),
        inspector = heading("Look around with the MCP Inspector:"),
        trainer = heading("Create an episode to train on:"),
        keeping = if farm.journal_stats().is_some() {
            "Episodes are kept in the journal and survive this process."
        } else {
            "Episodes live in memory and end with this process; --journal DIR keeps them."
        },
    );
}
