//! A crowd: very many live episodes, each with changes of its own.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::json;
use tokio::runtime::Builder;

use super::{Keeping, Kept, Scale, step};
use crate::cli::Failure;
use crate::cli::bench::broken;
use crate::cli::bench::engine::{Call, Script};
use crate::cli::bench::load;
use crate::cli::bench::memory::{CHANGES, changing_calls, resident_bytes, spec};
use crate::cli::bench::report::{Budget, Group, Row};
use crate::cli::bench::times::Times;
use crate::config::{ConnectionLimits, HttpSettings};
use crate::farm::Farm;
use crate::http;
use crate::id::EpisodeId;

/// 8 GiB for 100,000 episodes.
const EPISODE_BYTES_MAX: f64 = (8_u64 << 30) as f64 / 1e5;

/// Threads that make the changes: as many as the machine has cores, up to this many.
const THREADS_MAX: usize = 8;

/// Episodes created at a time.
const BATCH: usize = 1_000;

/// What is done in each episode of an environment.
pub(super) struct Work<'s> {
    pub(super) script: &'s Script,
    pub(super) calls: Vec<Call>,
}

/// For each environment, a task in whose episodes [`CHANGES`] changes can be made.
pub(super) fn work(scripts: &[Script]) -> Result<Vec<Work<'_>>, Failure> {
    let mut names: Vec<_> = scripts.iter().map(|script| script.environment.name()).collect();
    names.dedup();
    let mut all = Vec::new();
    for name in names {
        let of_environment: Vec<&Script> = scripts.iter().filter(|script| script.environment.name() == name).collect();
        if let Some((script, calls)) = changing_calls(&of_environment)? {
            all.push(Work { script, calls });
        }
    }
    if all.is_empty() {
        return Err(Failure::usage("no solution of the environments changes anything"));
    }
    Ok(all)
}

/// Creates episodes and makes the changes in all of them, on every core; the times of the calls.
pub(super) fn populate(
    farm: &Farm,
    work: &[Work<'_>],
    episodes: usize,
    progress: &ProgressBar,
) -> Result<(Vec<EpisodeId>, Times), Failure> {
    let mut ids = Vec::with_capacity(episodes);
    while ids.len() < episodes {
        let specs = work.iter().cycle().skip(ids.len()).take(BATCH.min(episodes - ids.len()));
        let created = farm.create_all(specs.map(|work| spec(work.script)).collect());
        ids.extend(created.map_err(|err| broken("episodes can't be created", err))?);
    }
    progress.set_length(episodes as u64);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS_MAX);
    let share = ids.len().div_ceil(threads);
    let results: Vec<Result<Times, Failure>> = thread::scope(|scope| {
        let shares = ids
            .chunks(share)
            .enumerate()
            .map(|(index, ids)| scope.spawn(move || change(farm, work, ids, index * share, progress)));
        let running: Vec<_> = shares.collect();
        let joined = running.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failure::internal("a thread of the benchmark broke off")))
        });
        joined.collect()
    });
    let mut times = Times::default();
    for result in results {
        times.add(&result?);
    }
    Ok((ids, times))
}

/// Makes the changes in a share of the episodes.
fn change(
    farm: &Farm,
    work: &[Work<'_>],
    ids: &[EpisodeId],
    first: usize,
    progress: &ProgressBar,
) -> Result<Times, Failure> {
    let mut times = Times::default();
    for (number, id) in (first..).zip(ids) {
        let live = farm.episode(id).map_err(|err| broken("an episode is gone", err))?;
        for call in &work[number % work.len()].calls {
            let called = times.time(|| live.call(call.tool.as_ref(), call.arguments.clone(), None));
            called.map_err(|err| broken("a call failed", err))?;
        }
        progress.inc(1);
    }
    Ok(times)
}

pub(super) fn rows(envs: &Path, scripts: &[Script], scale: Scale, progress: &ProgressBar) -> Result<Vec<Row>, Failure> {
    let episodes = scale.crowd_episodes;
    progress.set_message(format!("{episodes} live episodes with {CHANGES} changes each"));
    let work = work(scripts)?;
    let Kept { farm, folder: _folder } = Kept::new(envs, scripts, Keeping::Memory)?;
    // Connections are opened before the count begins.
    drop(populate(&farm, &work, work.len() * 2, &ProgressBar::hidden())?);
    let before = resident_bytes();
    let started = Instant::now();
    let (ids, times) = populate(&farm, &work, episodes, progress)?;
    let elapsed = started.elapsed();
    let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    let calls: usize = (0..episodes).map(|number| work[number % work.len()].calls.len()).sum();
    let row = Row {
        calls_per_s: Some(calls as f64 / elapsed.as_secs_f64()),
        ..Row::new(Group::Farm, format!("live episode with {CHANGES} changes, of {episodes}, without HTTP"))
    };
    let row = row.times(times.p50_us(), times.p99_us());
    let row = grown.map(|grown| grown as f64 / episodes as f64).into_iter().fold(row, Row::bytes);
    let mut rows = vec![row.budget(Budget::BytesBelow(EPISODE_BYTES_MAX))];
    rows.push(among_them(&farm, &ids, &work, scale)?);
    Ok(rows)
}

/// What a call over HTTP takes while all of them live.
fn among_them(farm: &Arc<Farm>, ids: &[EpisodeId], work: &[Work<'_>], scale: Scale) -> Result<Row, Failure> {
    let failed = |err: std::io::Error| broken("the server doesn't answer as it should", err);
    let server = Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let client = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let router = http::router(Arc::clone(farm), HttpSettings::default());
    let address = super::super::http::serve_on(&server, |listener| {
        http::serve(listener, router, ConnectionLimits::default(), pending())
    });
    let address = address.map_err(failed)?;
    let reads = work.iter().map(|work| work.script.calls.iter().find(|call| !call.changes));
    let reads: Vec<Option<&Call>> = reads.collect();
    // Some from everywhere.
    let spread = (ids.len() / 64).max(1);
    let requests = ids.iter().enumerate().step_by(spread).filter_map(|(number, id)| {
        let call = reads[number % reads.len()]?;
        let body = json!({"tool": call.tool, "arguments": call.arguments}).to_string();
        Some(load::post(&format!("/episodes/{id}/calls"), "", &body))
    });
    let seconds = if scale.turns > 2 { 3 } else { 1 };
    let slice = client.block_on(step::latency(address, requests.collect(), Duration::from_secs(seconds)));
    let slice = slice.map_err(failed)?;
    let mut times = Times::default();
    slice.add_to(&mut times);
    let row = Row {
        calls_per_s: Some(slice.calls as f64 / slice.elapsed.as_secs_f64()),
        ..Row::new(Group::Farm, format!("read over REST, 64 connections, {} live episodes", ids.len()))
    };
    Ok(row.times(times.p50_us(), times.p99_us()).budget(Budget::P99UsBelow(5_000.0)))
}
