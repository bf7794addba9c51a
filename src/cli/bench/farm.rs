//! `envfarm bench farm`: what a training step, a crowd of episodes, durability and recovery cost on this machine.

mod crowd;
mod recovery;
mod step;

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;

use super::engine::{self, Script};
use super::report::Report;
use super::start::TemporaryFolder;
use super::{broken, directories, limits, progress};
use crate::cli::{Failure, print};
use crate::config::PackageOptions;
use crate::farm::Farm;
use crate::journal::{Durability, JournalSettings};

/// Episodes of a training step of the system that this one follows (64 tasks, 16 attempts each).
const STEP_EPISODES: usize = 1_024;

/// Episodes that live at the same time.
const CROWD_EPISODES: u32 = 100_000;

const EXAMPLES: &str = "Examples:
  cargo run --release -- bench farm           training step, durability, recovery, 100,000 live episodes: some minutes
  envfarm bench farm --quick                  a look with fewer episodes, in seconds
  envfarm bench farm --json | jq '.rows[] | {name, p99_us}'

A row over its budget is marked; the exit code is 0 all the same, since times depend on the machine. A reward that isn't
1.0, or an episode that differs from the same one run alone, is a failure.";

/// Measure a training step, a crowd of live episodes, durability and recovery
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Fewer episodes and turns: a look
    #[arg(long)]
    quick: bool,
    /// Live episodes in the crowd
    #[arg(long, value_name = "N", default_value_t = CROWD_EPISODES, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: PackageOptions,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Scale {
    step_episodes: usize,
    turns: usize,
    recovered_episodes: usize,
    crowd_episodes: usize,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let crowd_episodes = options.episodes as usize;
    let scale = if options.quick {
        let crowd_episodes = crowd_episodes.min(2_000);
        Scale { step_episodes: 64, turns: 2, recovered_episodes: 300, crowd_episodes }
    } else {
        Scale { step_episodes: STEP_EPISODES, turns: 5, recovered_episodes: 10_000, crowd_episodes }
    };
    let progress = progress();
    let report = measure(&options.packages.envs, scale, &progress)?;
    progress.finish_and_clear();
    if options.json {
        let document = serde_json::to_string_pretty(&report);
        let document = document.map_err(|err| Failure::internal(format!("failed to write the report: {err}")))?;
        print(&format!("{document}\n"))
    } else {
        print(&report.to_text())
    }
}

fn measure(envs: &Path, scale: Scale, progress: &ProgressBar) -> Result<Report, Failure> {
    progress.set_message("loading environments");
    let (environments, _) = super::start::load(&directories(envs)?, 1)?;
    let scripts = engine::scripts(&environments)?;
    let mut report = Report::new(0);
    report.extend(step::rows(envs, &scripts, scale, progress)?);
    report.extend(recovery::rows(envs, &scripts, scale, progress)?);
    report.extend(crowd::rows(envs, &scripts, scale, progress)?);
    Ok(report.ended())
}

/// How a farm keeps what happens: in memory, or in a journal in a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    Memory,
    Journal(Durability),
}

impl Keeping {
    const ALL: [Self; 4] = [
        Self::Memory,
        Self::Journal(Durability::None),
        Self::Journal(Durability::Batch),
        Self::Journal(Durability::Sync),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::Journal(Durability::None) => "durability none",
            Self::Journal(Durability::Batch) => "durability batch",
            Self::Journal(Durability::Sync) => "durability sync",
        }
    }
}

/// A farm with its environments loaded, and the folder of its journal, which goes when it does.
struct Kept {
    farm: Arc<Farm>,
    folder: TemporaryFolder,
}

impl Kept {
    fn new(envs: &Path, scripts: &[Script], keeping: Keeping) -> Result<Self, Failure> {
        let folder = TemporaryFolder::new().map_err(|err| broken("a temporary folder can't be made", err))?;
        let farm = open(envs, keeping, &folder)?;
        for script in scripts {
            farm.environment(script.environment.name().as_ref())
                .map_err(|err| broken("an environment can't be loaded", err))?;
        }
        Ok(Self { farm, folder })
    }
}

fn open(envs: &Path, keeping: Keeping, folder: &TemporaryFolder) -> Result<Arc<Farm>, Failure> {
    let opened = match keeping {
        Keeping::Memory => Farm::open(envs, limits()),
        Keeping::Journal(_) => Farm::open_for_recovery(envs, limits()),
    };
    let farm = opened.map_err(|err| broken("the farm can't be opened", err))?;
    if let Keeping::Journal(durability) = keeping {
        let settings = JournalSettings { directory: folder.0.clone(), durability, compact_bytes: u64::MAX };
        farm.recover(&settings).map_err(|err| broken("the journal can't be used", err))?;
    }
    Ok(Arc::new(farm))
}
