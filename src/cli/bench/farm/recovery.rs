//! Recovery: reading a journal after a crash, and making every call again.

use std::path::Path;
use std::thread;
use std::time::Instant;

use indicatif::ProgressBar;

use super::crowd::{populate, work};
use super::{Keeping, Kept, Scale, open};
use crate::cli::Failure;
use crate::cli::bench::broken;
use crate::cli::bench::engine::Script;
use crate::cli::bench::report::{Budget, Group, Row};
use crate::farm::Farm;
use crate::id::EpisodeId;
use crate::journal::Durability;

/// Calls that are made again in a second, at least.
const REPLAYED_PER_S_MIN: f64 = 20_000.0;

pub(super) fn rows(envs: &Path, scripts: &[Script], scale: Scale, progress: &ProgressBar) -> Result<Vec<Row>, Failure> {
    let episodes = scale.recovered_episodes;
    progress.set_message(format!("recovery of {episodes} episodes"));
    let work = work(scripts)?;
    let keeping = Keeping::Journal(Durability::Batch);
    let Kept { farm, folder } = Kept::new(envs, scripts, keeping)?;
    let (ids, _) = populate(&farm, &work, episodes, progress)?;
    let calls: usize = (0..episodes).map(|number| work[number % work.len()].calls.len()).sum();
    let journal_bytes = farm.journal_stats().map_or(0, |stats| stats.bytes);
    drop(farm);

    let started = Instant::now();
    let farm = open(envs, keeping, &folder)?;
    let read = started.elapsed().as_secs_f64();
    wake(&farm, &ids)?;
    let all = started.elapsed().as_secs_f64();
    let thousands = episodes as f64 / 1e3;
    Ok(vec![
        Row {
            seconds: Some(read / thousands),
            bytes: Some(journal_bytes as f64 / episodes as f64),
            ..Row::new(Group::Farm, "reading the journal, for each 1,000 episodes; its bytes for each episode")
        },
        Row {
            seconds: Some(all / thousands),
            calls_per_s: Some(calls as f64 / (all - read)),
            ..Row::new(Group::Farm, "recovery with every call made again, for each 1,000 episodes")
        }
        .budget(Budget::CallsPerSAtLeast(REPLAYED_PER_S_MIN)),
    ])
}

/// Asks for every episode, on every core.
fn wake(farm: &Farm, ids: &[EpisodeId]) -> Result<(), Failure> {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let woken = thread::scope(|scope| {
        let shares = ids.chunks(ids.len().div_ceil(threads).max(1));
        let running: Vec<_> =
            shares.map(|ids| scope.spawn(|| ids.iter().try_for_each(|id| farm.episode(id).map(drop)))).collect();
        running.into_iter().all(|thread| thread.join().is_ok_and(|woken| woken.is_ok()))
    });
    if woken { Ok(()) } else { Err(broken("an episode can't be rebuilt", "see the log")) }
}
