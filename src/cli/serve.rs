//! `envfarm serve`: every environment over HTTP, for agents and for trainers.

mod access;
mod options;
mod welcome;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub(super) use self::options::Options;
use self::welcome::welcome;
use super::{Failure, farm_limits, print};
use crate::config::HttpSettings;
use crate::config::access::Access;
use crate::farm::{Farm, Recovered};
use crate::http;
use crate::journal::JournalSettings;
use crate::telemetry::{self, LogFormat};

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    if options.print_config {
        return print(&options.settings.shown);
    }
    let format = if options.json_logs { LogFormat::Json } else { LogFormat::Text };
    telemetry::init(format, options.log.as_deref());
    if let Some(file) = &options.settings.file {
        tracing::info!(file = %file.display(), "read the configuration file");
    }
    let addresses = addresses(options)?;
    let access = access::access(options, &addresses)?;
    let limits = farm_limits(&options.limits);
    let journal = options.journal.settings();
    let farm = match &journal {
        None => Farm::open(&options.packages.envs, limits),
        Some(_) => Farm::open_for_recovery(&options.packages.envs, limits),
    };
    let farm = Arc::new(farm.map_err(|err| Failure::failed(err.to_string()))?);
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|err| Failure::internal(format!("failed to start the async runtime: {err}")))?;
    let served = runtime.block_on(serve(options, access, &addresses, Arc::clone(&farm), journal));
    farm.flush().map_err(|err| Failure::failed(err.to_string()))?;
    served
}

async fn serve(
    options: &Options,
    access: Access,
    addresses: &[SocketAddr],
    farm: Arc<Farm>,
    journal: Option<JournalSettings>,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(addresses).await.map_err(|err| cannot_listen(options, &err))?;
    let address = listener.local_addr().map_err(|err| Failure::internal(format!("failed to learn the port: {err}")))?;
    print(&format!("listening on http://{address}\n"))?;
    let sweeping = tokio::spawn(sweep(Arc::clone(&farm), options.limits.sweep_interval_ms));
    let open = access.is_open();
    let router = http::router(Arc::clone(&farm), http_settings(options, access, address));
    let limits = options.connections.limits();
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    farm.metrics().tell_limits(vec![
        ("connections_max", u64::from(limits.connections_max)),
        ("header_read_ms_max", milliseconds(limits.header_read)),
        ("connection_idle_ms_max", milliseconds(limits.idle)),
        ("drain_ms_max", milliseconds(limits.drain)),
        ("sweep_interval_ms", options.limits.sweep_interval_ms),
    ]);
    let mut serving = tokio::spawn(http::serve(listener, router, limits, stop_requested()));

    if let Some(settings) = journal {
        recover(Arc::clone(&farm), settings).await?;
    }
    // Described after the first request could be answered: describing an environment means loading it.
    let envs = options.packages.envs.clone();
    let described = tokio::task::spawn_blocking(move || welcome(&farm, &envs, address, open)).await;
    match described {
        Ok(text) => print(&text)?,
        Err(err) => tracing::error!(%err, "failed to describe the environments"),
    }
    let served = tokio::select! {
        served = &mut serving => served,
        () = async { stop_requested().await; stop_requested().await } => {
            tracing::warn!("asked to stop twice; closing what is open");
            // With it every connection closes, so that nothing happens after the journal's last flush.
            serving.abort();
            Ok(Ok(()))
        }
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

/// Where to listen.
fn addresses(options: &Options) -> Result<Vec<SocketAddr>, Failure> {
    let host = options.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, options.port)
        .to_socket_addrs()
        .map_err(|err| Failure::usage(format!("--host {host} is no address of this machine: {err}")))?;
    Ok(addresses.collect())
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

fn http_settings(options: &Options, access: Access, address: SocketAddr) -> HttpSettings {
    let mut allowed_hosts = options.allowed_host.clone();
    // The host as it was given is one that requests are addressed to.
    allowed_hosts.push(options.host.clone());
    HttpSettings {
        allowed_hosts,
        allowed_origins: options.allowed_origin.clone(),
        any_address_allowed: !address.ip().is_loopback(),
        base_url: options.base_url.clone(),
        body_bytes_max: options.limits.body_bytes_max,
        body_read: Duration::from_millis(options.connections.body_read_ms_max),
        scratch_episodes_max: options.limits.scratch_episodes_max,
        connections: options.connections.limits(),
        access,
        ..HttpSettings::default()
    }
}
