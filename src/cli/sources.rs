//! Where commands over many trajectories get them from, and how they work on them: several at a time, results in order.
//!
//! A source is an iterator of [`Sourced`]. Files are one; another needs an iterator of its own and nothing else.

use std::fs::File;
use std::io::BufReader;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use super::packages::Loaded;
use crate::farm;
use crate::journal::JournalError;
use crate::trajectory::{Trajectories, Trajectory, TrajectoryError};

/// A trajectory from somewhere, or why there is none.
#[derive(Debug)]
pub(super) struct Sourced {
    /// The file, as it was named.
    pub file: String,
    /// The line it begins in or that is broken; none where no line is to blame.
    pub line: Option<usize>,
    /// The trajectory, or what is wrong.
    pub found: Result<Trajectory, String>,
}

/// The trajectories in files, in order, with a bar over their bytes.
///
/// # Errors
/// A file can't be opened. All are tried before anything is read, so that a mistyped name costs nothing.
pub(super) fn files(paths: &[PathBuf]) -> Result<(impl Iterator<Item = Sourced> + Send, ProgressBar), Failure> {
    let mut bytes = 0;
    for path in paths {
        let opened = File::open(path).and_then(|file| file.metadata());
        let metadata = opened.map_err(|err| Failure::usage(format!("failed to open {}: {err}", path.display())))?;
        if metadata.is_dir() {
            return Err(Failure::usage(format!("{} is a folder; name the files in it", path.display())));
        }
        bytes += metadata.len();
    }
    let template = "{bar:24.cyan} {binary_bytes}/{binary_total_bytes}  {elapsed} of {duration}  {wide_msg}";
    let progress = progress(bytes, template);
    let counted = progress.clone();
    let paths = paths.to_vec();
    Ok((paths.into_iter().flat_map(move |path| file(&path, &counted)), progress))
}

fn file(path: &Path, progress: &ProgressBar) -> Box<dyn Iterator<Item = Sourced> + Send> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => {
            let mut found = Trajectories::new(BufReader::new(progress.wrap_read(file))).peekable();
            if found.peek().is_none() {
                let found = Err("holds no trajectory".to_owned());
                return Box::new(std::iter::once(Sourced { file: name, line: None, found }));
            }
            Box::new(found.map(move |found| {
                let (line, found) = match found {
                    Ok(found) => (Some(found.line), Ok(found.trajectory)),
                    Err(TrajectoryError::Line { line, message }) => (Some(line), Err(message)),
                    Err(err @ TrajectoryError::Io(_)) => (None, Err(err.to_string())),
                };
                Sourced { file: name.clone(), line, found }
            }))
        }
        Err(err) => {
            let found = Err(format!("can't be opened any more: {err}"));
            Box::new(std::iter::once(Sourced { file: name, line: None, found }))
        }
    }
}

/// The trajectories of all episodes in a journal that no process has open, with a bar over them.
///
/// # Errors
/// The journal can't be read.
pub(super) fn journal<'e>(
    directory: &Path,
    environments: &'e Loaded<'e>,
) -> Result<(impl Iterator<Item = Sourced> + Send + use<'e>, ProgressBar), Failure> {
    let episodes = farm::journaled(directory).map_err(|err| match err {
        JournalError::InUse { .. } => Failure::failed(format!(
            "{err}; stop that server first, or fetch trajectories from it: GET /episodes/ID/trajectory"
        )),
        err => Failure::failed(err.to_string()),
    })?;
    let progress = progress(episodes.len() as u64, "{bar:24.cyan} {pos}/{len}  {elapsed} of {duration}  {wide_msg}");
    let counted = progress.clone();
    let sourced = episodes.into_iter().map(move |episode| {
        counted.inc(1);
        let file = format!("episode {}", episode.id);
        let environment = environments.get(episode.environment().as_ref());
        let found = environment.and_then(|environment| episode.trajectory(environment).map_err(str::to_owned));
        Sourced { file, line: None, found }
    });
    Ok((sourced, progress))
}

/// A bar on stderr; hidden where that is no terminal.
fn progress(length: u64, template: &str) -> ProgressBar {
    let progress = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress
}

/// Works on everything a source gives, as many at a time as there are cores, and takes the results in the source's order. At
/// most one item a core is in memory.
///
/// # Errors
/// What `take` failed with, or a worker that panicked.
pub(super) fn in_order<S, T>(
    source: impl Iterator<Item = S> + Send,
    work: impl Fn(S) -> T + Sync,
    take: impl FnMut(T) -> Result<(), Failure> + Send,
) -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let source = Mutex::new(source.enumerate());
    let line = Line { turn: Mutex::new(Turn { next: 0, failure: None, take }), moved: Condvar::new() };
    let run = || {
        // Dropped by a panic as well, so that nobody waits for a result that won't come.
        let unfinished = Unfinished(&line);
        while !line.failed() {
            let item = lock(&source).next();
            let Some((number, item)) = item else { break };
            line.hand_in(number, work(item));
        }
        std::mem::forget(unfinished);
    };
    let panicked = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        let joined: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        joined.iter().any(Result::is_err)
    });
    let turn = line.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
    match turn.failure {
        Some(failure) => Err(failure),
        None if panicked => Err(Failure::internal("a trajectory could not be worked on: envfarm has a defect")),
        None => Ok(()),
    }
}

/// Where workers wait until it is their result's turn.
struct Line<F> {
    turn: Mutex<Turn<F>>,
    moved: Condvar,
}

struct Turn<F> {
    /// Number of the result that is taken next.
    next: usize,
    failure: Option<Failure>,
    take: F,
}

impl<F> Line<F> {
    fn failed(&self) -> bool {
        lock(&self.turn).failure.is_some()
    }

    fn hand_in<T>(&self, number: usize, result: T)
    where
        F: FnMut(T) -> Result<(), Failure>,
    {
        let waiting = |turn: &mut Turn<F>| turn.next != number && turn.failure.is_none();
        let mut turn = self.moved.wait_while(lock(&self.turn), waiting).unwrap_or_else(PoisonError::into_inner);
        if turn.failure.is_none() {
            turn.failure = (turn.take)(result).err();
            turn.next += 1;
        }
        drop(turn);
        self.moved.notify_all();
    }
}

/// Tells the others, unless it is forgotten, that a worker broke off.
struct Unfinished<'l, F>(&'l Line<F>);

impl<F> Drop for Unfinished<'_, F> {
    fn drop(&mut self) {
        let defect = || Failure::internal("a trajectory could not be worked on: envfarm has a defect");
        lock(&self.0.turn).failure.get_or_insert_with(defect);
        self.0.moved.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_failure_ends_the_work() {
        let mut taken = Vec::new();
        let slow_first = |number: u64| {
            for _ in 0..if number.is_multiple_of(5) { 500 } else { 0 } {
                thread::yield_now();
            }
            number
        };
        let outcome = in_order(0..40, slow_first, |number| {
            taken.push(number);
            Ok(())
        });
        assert!(outcome.is_ok());
        assert_eq!(taken, (0..40).collect::<Vec<_>>());

        let full = |number| if number == 7 { Err(Failure::failed("full")) } else { Ok(()) };
        assert_eq!(in_order(0.., |number: u64| number, full).unwrap_err().to_string(), "full");
    }

    #[test]
    fn a_worker_that_panics_leaves_nobody_waiting() {
        let outcome = in_order(0..9, |number| assert_ne!(number, 3, "expected by the test"), |()| Ok(()));
        assert!(outcome.unwrap_err().to_string().contains("defect"));
    }
}
