//! `envfarm synth`: a set of packages from blueprints.

mod manifest;
mod report;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::manifest::Manifest;
pub(super) use self::report::Report;
use super::{Failure, print};
use crate::synth::{Order, Synthesized, Synthesizer};

const EXAMPLES: &str = "Examples:
  envfarm synth --count 1000 --seed 7 --out farm        a thousand environments; again after a break: the rest of them
  envfarm synth --count 10 --only pharmacy --out /tmp/p ten variants of one blueprint
  envfarm synth --blueprints my --only my_shop --count 10 --out /tmp/s --report
                                                        while writing a blueprint: how each intent fares, and why plans fail
  envfarm synth --list                                  the blueprints
  envfarm serve --envs farm                             serve the set

Exit codes: 0 all made, 1 findings, 2 usage, 3 internal error.";

/// Synthesize environments from blueprints: same blueprints, count and seed, same bytes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// How many environments, spread evenly over the blueprints
    #[arg(long, default_value_t = 1000, value_name = "N")]
    count: usize,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Folder to write them to: new, empty, or left over from the same command, which goes on then
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Folder with blueprints (and a subfolder modules) instead of the ones in the binary
    #[arg(long, value_name = "DIR")]
    blueprints: Option<PathBuf>,
    /// Only this blueprint; can be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Environments made at a time; as many as there are cores by default
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Make what is there of unfinished blueprints: environments with fewer tools, tables or tasks than they should have
    #[arg(long)]
    draft: bool,
    /// Say how each case of each intent fared, and what drawn data put out of reach
    #[arg(long)]
    report: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// List the blueprints and do nothing else
    #[arg(long)]
    list: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let (synthesizer, mut findings) =
        Synthesizer::new(options.blueprints.as_deref(), &options.only, options.seed, options.draft)
            .map_err(|err| Failure::usage(format!("failed to read the blueprints: {err}")))?;
    if options.list {
        return print(&format!("{}\n", synthesizer.blueprints().join("\n")));
    }
    let known = synthesizer.blueprints();
    if let Some(unknown) = options.only.iter().find(|name| !known.contains(&name.as_str()) && findings.is_empty()) {
        return Err(Failure::usage(format!("there is no blueprint {unknown}; `envfarm synth --list` shows them")));
    }
    if known.is_empty() && findings.is_empty() {
        return Err(Failure::usage("there is no blueprint"));
    }
    let Some(out) = &options.out else { return Err(Failure::usage("--out is missing")) };
    let manifest = Manifest::new(options, &synthesizer);
    let done = manifest.open(out)?;
    let orders = if known.is_empty() { Vec::new() } else { synthesizer.orders(options.count, &mut findings) };
    let made = make_all(&synthesizer, &orders, &done, out, options)?;
    let report = Report::new(findings, made, done.len(), options);
    if options.json {
        print(&report.to_json()?)?;
    } else {
        print(&report.to_text())?;
    }
    if report.has_findings() { Err(Failure::reported()) } else { Ok(()) }
}

/// Makes and writes the environments that aren't there yet.
fn make_all(
    synthesizer: &Synthesizer,
    orders: &[Order],
    done: &[String],
    out: &Path,
    options: &Options,
) -> Result<Vec<Synthesized>, Failure> {
    let open: Vec<&Order> = orders.iter().filter(|order| !done.contains(&order.name)).collect();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = options.jobs.map_or(cores, NonZero::get).min(open.len().max(1));
    let progress = ProgressBar::new(orders.len() as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:24.cyan} {pos}/{len} environments  {elapsed}, {eta} left  {wide_msg}")
    {
        progress.set_style(style);
    }
    progress.set_position(done.len() as u64);
    let next = AtomicUsize::new(0);
    let made: Mutex<Vec<(usize, Synthesized)>> = Mutex::default();
    let work = || -> Result<(), Failure> {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(order) = open.get(place) else { return Ok(()) };
            progress.set_message(order.name.clone());
            let mut synthesized = synthesizer.make(order);
            manifest::write(out, &synthesized)?;
            // Written: what is left is small.
            synthesized.files.clear();
            made.lock().unwrap_or_else(PoisonError::into_inner).push((place, synthesized));
            progress.inc(1);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let joined: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        joined.into_iter().try_for_each(|worker| {
            worker.unwrap_or_else(|_| Err(Failure::internal("an environment could not be made: envfarm has a defect")))
        })
    })?;
    progress.finish_and_clear();
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(place, _)| *place);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}
