//! What live episodes take, by their own count and by the process's.

use std::fs;
use std::path::Path;

use super::engine::{Call, Script};
use super::report::{Budget, Group, Row};
use super::{Environments, broken, limits};
use crate::cli::Failure;
use crate::episode::Episode;
use crate::farm::{EpisodeSpec, Farm};
use crate::id::EpisodeId;

/// Episodes created for the row about untouched ones.
const CREATED: usize = 10_000;
/// Episodes written to for the row about those.
const WRITTEN: usize = 1_000;
/// Changes made in each of them.
pub(super) const CHANGES: usize = 20;

/// 100,000 live episodes on 24 GB (DESIGN: performance budget).
const EPISODE_BYTES_MAX: f64 = 24e9 / 1e5;

pub(super) fn rows(envs: &Path, environments: &Environments, scripts: &[Script]) -> Result<Vec<Row>, Failure> {
    let farm = Farm::open(envs, limits()).map_err(|err| broken("the farm can't be opened", err))?;
    let mut rows = vec![created(&farm, scripts)?];
    let mut own_bytes = 0.0;
    let mut process_bytes = Vec::new();
    for environment in environments {
        let scripts: Vec<&Script> =
            scripts.iter().filter(|script| script.environment.name() == environment.name()).collect();
        let Some((script, calls)) = changing_calls(&scripts)? else { continue };
        let spec = spec(script);
        let before = resident_bytes();
        for _ in 0..WRITTEN {
            let live = farm.create(spec.clone()).and_then(|id| farm.episode(&id));
            let live = live.map_err(|err| broken("an episode can't be created", err))?;
            let mut episode = live.lock();
            for call in &calls {
                let called = episode.call(call.tool.as_ref(), call.arguments.clone());
                called.map_err(|err| broken("a call failed", err))?;
            }
            own_bytes = f64::max(own_bytes, episode.overlay_bytes() as f64);
        }
        process_bytes.extend(growth(before, WRITTEN));
    }
    let written = |name: &str| Row::new(Group::Memory, format!("episode with {CHANGES} changes, {name}"));
    rows.push(written("its pages, worst environment").bytes(own_bytes).budget(Budget::BytesBelow(EPISODE_BYTES_MAX)));
    let worst = process_bytes.into_iter().reduce(f64::max);
    rows.extend(
        worst.map(|bytes| written("growth of the process").bytes(bytes).budget(Budget::BytesBelow(EPISODE_BYTES_MAX))),
    );
    Ok(rows)
}

fn created(farm: &Farm, scripts: &[Script]) -> Result<Row, Failure> {
    let specs: Vec<EpisodeSpec> = scripts.iter().map(spec).collect();
    let specs = specs.iter().cycle().take(CREATED).cloned().collect();
    // Environments are loaded before the count begins.
    for script in scripts {
        farm.environment(script.environment.name().as_ref())
            .map_err(|err| broken("an environment can't be loaded", err))?;
    }
    let before = resident_bytes();
    let ids: Vec<EpisodeId> = farm.create_all(specs).map_err(|err| broken("episodes can't be created", err))?;
    let bytes = growth(before, ids.len());
    let row = Row::new(Group::Memory, format!("untouched episode, growth of the process over {CREATED}"));
    Ok(bytes.into_iter().fold(row, Row::bytes))
}

pub(super) fn spec(script: &Script) -> EpisodeSpec {
    EpisodeSpec {
        environment: script.environment.name().clone(),
        task: Some(script.task.clone()),
        seed: 0,
        actor: None,
        owner: None,
    }
}

/// Calls that make [`CHANGES`] changes in an episode of one of the tasks: those of the solutions, repeated for as long as
/// they are accepted.
pub(super) fn changing_calls<'s>(scripts: &[&'s Script]) -> Result<Option<(&'s Script, Vec<Call>)>, Failure> {
    let changing = || scripts.iter().flat_map(|script| &script.calls).filter(|call| call.changes);
    let mut best: Option<(&Script, Vec<Call>)> = None;
    for script in scripts {
        let mut episode: Episode = script.episode(0)?;
        let mut calls = Vec::new();
        let mut accepted = true;
        while accepted && calls.len() < CHANGES {
            accepted = false;
            for call in changing() {
                let observation = episode.call(call.tool.as_ref(), call.arguments.clone());
                if calls.len() < CHANGES && observation.is_ok_and(|observation| !observation.is_error()) {
                    calls.push(call.clone());
                    accepted = true;
                }
            }
        }
        if best.as_ref().is_none_or(|(_, most)| calls.len() > most.len()) {
            best = Some((script, calls));
        }
    }
    Ok(best.filter(|(_, calls)| !calls.is_empty()))
}

/// Bytes by which the process has grown for each of `count` things.
fn growth(before: Option<u64>, count: usize) -> Option<f64> {
    let grown = resident_bytes()?.saturating_sub(before?);
    Some(grown as f64 / count.max(1) as f64)
}

/// Resident memory of this process, where the operating system tells (Linux).
pub(super) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
