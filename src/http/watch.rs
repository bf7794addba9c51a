//! For whoever watches the server: its metrics, and the time that every request takes.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Front;
use crate::config::{ConnectionLimits, HttpSettings};
use crate::farm::{Farm, FarmLimits};
use crate::journal::JournalStats;
use crate::metrics::{CONTENT_TYPE, Kind, Sample, Scrape};

/// `GET /metrics`, in Prometheus' text exposition format. It takes no episode's lock, however many there are.
pub(super) async fn metrics(State(front): State<Front>) -> Response {
    let mut samples = vec![Sample {
        name: "environments_loaded",
        help: "Environments in memory now",
        kind: Kind::Gauge,
        value: front.farm.environments_loaded() as u64,
    }];
    samples.extend(front.farm.journal_stats().iter().flat_map(journal));
    let scrape = Scrape { limits: limits(&front.farm, &front.settings), samples };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], front.farm.metrics().exposition(scrape)).into_response()
}

/// Every configured limit.
fn limits(farm: &Farm, settings: &HttpSettings) -> Vec<(&'static str, u64)> {
    let FarmLimits { live_episodes_max, environments_max, idle_ttl, ended_ttl, episode } = farm.limits();
    let ConnectionLimits { connections_max, header_read, idle, drain } = settings.connections;
    let ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    vec![
        ("live_episodes_max", *live_episodes_max as u64),
        ("environments_max", *environments_max as u64),
        ("idle_ttl_s", idle_ttl.as_secs()),
        ("ended_ttl_s", ended_ttl.as_secs()),
        ("calls_max", episode.calls_max as u64),
        ("call_deadline_ms", ms(episode.call_deadline)),
        ("call_steps_max", episode.call_steps_max),
        ("body_bytes_max", settings.body_bytes_max as u64),
        ("body_read_ms_max", ms(settings.body_read)),
        ("scratch_episodes_max", settings.scratch_episodes_max as u64),
        ("connections_max", connections_max.into()),
        ("header_read_ms_max", ms(header_read)),
        ("connection_idle_ms_max", ms(idle)),
        ("drain_ms_max", ms(drain)),
    ]
}

/// How the journal is doing.
fn journal(stats: &JournalStats) -> [Sample; 6] {
    let JournalStats { bytes, records, lag_bytes, failures, compactions, cut_bytes } = *stats;
    let sample = |name, help, kind, value| Sample { name, help, kind, value };
    [
        sample("journal_bytes", "Bytes of the journal's files", Kind::Gauge, bytes),
        sample("journal_records", "Records appended to the journal", Kind::Counter, records),
        sample("journal_lag_bytes", "Appended bytes that aren't durable yet", Kind::Gauge, lag_bytes),
        sample("journal_failures", "Records that couldn't be appended", Kind::Counter, failures),
        sample("journal_compactions", "Times the journal was rewritten", Kind::Counter, compactions),
        sample("journal_cut_bytes", "Bytes cut off as damaged at the start", Kind::Gauge, cut_bytes),
    ]
}

/// Counts requests with the time until their answer is ready; stands around everything else.
pub(super) async fn measure(State(front): State<Front>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let template = route.as_ref().map(MatchedPath::as_str);
    front.farm.metrics().routes.answered(template, response.status().as_u16(), started.elapsed());
    response
}
