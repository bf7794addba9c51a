//! The journal: what makes a farm survive its process. An append-only log of everything that changes an episode.
//!
//! Since an episode is (environment, task, seed, calls), its calls are its write-ahead log: creations, answered calls, resets,
//! forks and ends are all that has to be kept. [`Journal::append`] records one of them before it counts; what can't be recorded
//! doesn't happen. [`Journal::settled`] waits until all that was recorded is as durable as [`Durability`] asks for, and stands
//! between every change and its acknowledgement.
//!
//! - `record`: what is recorded, framed and checksummed.
//! - `segment`: the files. A damaged end is cut off at the last good record and kept aside, never guessed at.
//! - `compact`: rewriting the files without what nobody can ask for any more.
//!
//! The journal knows nothing of environments; rebuilding episodes from it is the farm's work.

mod compact;
pub(crate) mod record;
mod segment;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use self::record::Record;
use self::segment::{Extent, Segment};
use self::writer::Writer;

/// Version of the files that this program writes and reads.
pub const VERSION: u32 = 1;

/// How often `batch` makes durable what was written. What the operating system loses if it crashes itself, not only envfarm,
/// is at most this much; a disk manages a few hundred such requests in a second.
const SYNC_INTERVAL: Duration = Duration::from_millis(5);

/// How often `none` writes what it has gathered.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes that `none` gathers before whoever adds more writes them out: what a process may lose, and a bound on memory.
const GATHERED_BYTES_MAX: usize = 4 << 20;

/// When an acknowledged change can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Written in the background: a crash of envfarm may lose the last moments
    None,
    /// Written before it is acknowledged and made durable a few milliseconds later: survives any crash of envfarm itself
    Batch,
    /// Made durable (fsync) before it is acknowledged: survives a crash of the machine
    Sync,
}

/// Where the journal is and how it works.
#[derive(Debug, Clone)]
pub struct JournalSettings {
    /// Its directory; made if there is none.
    pub directory: PathBuf,
    /// When an acknowledged change can be relied on.
    pub durability: Durability,
    /// Size at which it is first rewritten without what has ended; afterwards whenever it has doubled.
    pub compact_bytes: u64,
}

/// Why the journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory can't be made or listed.
    #[error("the journal directory {} can't be used: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the journal in {} is in use by another process", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// A file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file was written by another version.
    #[error("{} was written by another version of envfarm; this one reads version {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
    },
    /// Nothing can be written at present.
    #[error("the journal can't be written: {0}")]
    Write(Arc<io::Error>),
    /// A change can't be put into a record.
    #[error("the journal can't hold it: {0}")]
    Encode(#[from] postcard::Error),
}

/// How the journal is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Bytes of all its files.
    pub bytes: u64,
    /// Records appended since the start.
    pub records: u64,
    /// Appended bytes that aren't durable yet.
    pub lag_bytes: u64,
    /// Records that couldn't be appended.
    pub failures: u64,
    /// Times it was rewritten.
    pub compactions: u64,
    /// Bytes that were cut off as damaged at the start.
    pub cut_bytes: u64,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    writer: Arc<Writer>,
    /// Held for as long as the journal is open; the operating system lets go of it however the process ends.
    _lock: File,
}

impl Journal {
    /// Opens the journal and reads all of it, in order: `each` gets every good record. What is damaged is reported, cut off and
    /// kept aside.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub(crate) fn open(settings: &JournalSettings, each: impl FnMut(Record<'_>)) -> Result<Self, JournalError> {
        let directory = &settings.directory;
        let unusable = |source| JournalError::Directory { directory: directory.clone(), source };
        let lock = lock(directory)?;
        let segments = Segment::all(directory).map_err(unusable)?;
        let (last, bytes, cut_bytes) = recover(directory, segments, each)?;
        let writer = Writer::start(settings, last, bytes, cut_bytes).map_err(unusable)?;
        Ok(Self { writer, _lock: lock })
    }

    /// Records a change before it counts. With [`Durability::None`] it is only noted down; otherwise it has been written
    /// when this returns.
    ///
    /// # Errors
    /// It couldn't be, and nothing of it is left in the journal.
    pub(crate) fn append(&self, record: &Record<'_>) -> Result<(), JournalError> {
        self.writer.append(record)
    }

    /// Resolves once everything appended so far is as durable as was asked for.
    ///
    /// # Errors
    /// The disk refused to make it so. Nothing is accepted any more from then on: what is on it is unknown.
    pub(crate) async fn settled(&self) -> Result<(), JournalError> {
        self.writer.settled().await
    }

    /// Writes and makes durable whatever isn't yet.
    ///
    /// # Errors
    /// The disk refused.
    pub(crate) fn flush(&self) -> Result<(), JournalError> {
        self.writer.flush()
    }

    /// Rewrites the files without what was closed, if they have grown enough for it to be worth it. Goes on beside everything
    /// else; whether it was done.
    ///
    /// # Errors
    /// The files can't be read or written; they are as they were then.
    pub(crate) fn compact(&self) -> Result<bool, JournalError> {
        compact::run(&self.writer)
    }

    /// How it is doing.
    pub fn stats(&self) -> JournalStats {
        self.writer.stats()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.writer.stop();
    }
}

/// Reads a journal that no process has open, changing nothing: `each` gets every good record.
///
/// # Errors
/// See [`JournalError`].
pub(crate) fn read(directory: &Path, mut each: impl FnMut(Record<'_>)) -> Result<(), JournalError> {
    let unusable = |source| JournalError::Directory { directory: directory.to_owned(), source };
    fs::metadata(directory).map_err(unusable)?;
    let _lock = lock(directory)?;
    for segment in Segment::all(directory).map_err(unusable)? {
        let extent = segment.read(|record, _| each(record))?;
        if let Some(damage) = extent.damage {
            warn!(file = %segment.path.display(), damage, "the journal is damaged; what follows is left out");
            break;
        }
    }
    Ok(())
}

fn lock(directory: &Path) -> Result<File, JournalError> {
    let unusable = |source| JournalError::Directory { directory: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(unusable)?;
    let lock = File::create(directory.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Reads all segments and leaves them fit to be appended to: the last one, the bytes of all, and how many were cut off.
fn recover(
    directory: &Path,
    segments: Vec<Segment>,
    mut each: impl FnMut(Record<'_>),
) -> Result<(Option<Segment>, u64, u64), JournalError> {
    let unusable = |source| JournalError::Directory { directory: directory.to_owned(), source };
    let (mut last, mut bytes, mut cut_bytes) = (None, 0, 0);
    let mut segments = segments.into_iter();
    for segment in segments.by_ref() {
        let extent = segment.read(|record, _| each(record))?;
        bytes += extent.good;
        let Some(damage) = extent.damage else {
            last = Some(segment);
            continue;
        };
        cut_bytes += extent.length - extent.good;
        last = cut(segment, &extent, damage).map_err(unusable)?;
        break;
    }
    // What follows damage can't be trusted to follow what is kept.
    for segment in segments {
        cut_bytes += fs::metadata(&segment.path).map_or(0, |file| file.len());
        let kept = segment.set_aside().map_err(unusable)?;
        error!(file = %segment.path.display(), kept = %kept.display(), "a journal file behind damage was put aside");
    }
    Ok((last, bytes, cut_bytes))
}

/// Cuts a damaged file; none where nothing of it is left.
fn cut(segment: Segment, extent: &Extent, damage: &'static str) -> io::Result<Option<Segment>> {
    let kept = if extent.good == 0 { segment.set_aside()? } else { segment.cut(extent)? };
    let (at, cut_bytes) = (extent.good, extent.length - extent.good);
    error!(
        file = %segment.path.display(), at, cut_bytes, damage, kept = %kept.display(),
        "the journal is damaged: it was cut at the last good record, and what was cut off is kept aside"
    );
    Ok((extent.good > 0).then_some(segment))
}
