//! Writing the journal: records are written by whoever has something to record, under one lock; a thread makes them durable.
//!
//! Writing to the page cache takes a microsecond or two, less than handing the bytes to another thread. Waiting for the disk
//! takes milliseconds, so one thread does it for everybody who waits at the time (group commit).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::watch;
use tracing::{error, info};

use super::record::{self, Record};
use super::segment::Segment;
use super::{
    Durability, FLUSH_INTERVAL, GATHERED_BYTES_MAX, JournalError, JournalSettings, JournalStats, SYNC_INTERVAL,
};

/// The end of the journal.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) directory: PathBuf,
    pub(super) compact_bytes: u64,
    durability: Durability,
    tail: Mutex<Tail>,
    /// Told when there is something for the thread to do.
    work: Condvar,
    /// What is durable, for those who wait for it.
    durable: watch::Sender<Durable>,
}

#[derive(Debug)]
struct Tail {
    segment: Segment,
    file: Arc<File>,
    /// Bytes of the file up to the last whole record.
    length: u64,
    /// The file may hold more than `length`: a write failed halfway and couldn't be undone yet.
    ragged: bool,
    /// Frames that `none` has gathered and not written.
    gathered: Vec<u8>,
    /// Room for encoding.
    scratch: Vec<u8>,
    /// Bytes appended since the start.
    appended: u64,
    /// Bytes of the files before this one.
    earlier_bytes: u64,
    /// Bytes of all files after the last rewriting.
    base_bytes: u64,
    records: u64,
    failures: u64,
    compactions: u64,
    cut_bytes: u64,
    /// The last append failed, and the log says so already.
    failing: bool,
    stopping: bool,
}

/// How far the journal is durable.
#[derive(Debug, Clone, Default)]
struct Durable {
    /// Bytes appended since the start that are.
    bytes: u64,
    /// The disk refused to make some so.
    failure: Option<Arc<io::Error>>,
}

impl Writer {
    /// Opens the last file for appending, or a first one, and starts the thread.
    pub(super) fn start(
        settings: &JournalSettings,
        last: Option<Segment>,
        bytes: u64,
        cut_bytes: u64,
    ) -> io::Result<Arc<Self>> {
        let (segment, file, length) = match last {
            Some(segment) => {
                let file = OpenOptions::new().append(true).open(&segment.path)?;
                let length = file.metadata()?.len();
                (segment, file, length)
            }
            None => Segment::create(&settings.directory, 1, false)?,
        };
        let tail = Tail {
            segment,
            file: Arc::new(file),
            length,
            ragged: false,
            gathered: Vec::new(),
            scratch: Vec::new(),
            appended: 0,
            earlier_bytes: bytes.saturating_sub(length),
            base_bytes: 0,
            records: 0,
            failures: 0,
            compactions: 0,
            cut_bytes,
            failing: false,
            stopping: false,
        };
        let writer = Arc::new(Self {
            directory: settings.directory.clone(),
            compact_bytes: settings.compact_bytes,
            durability: settings.durability,
            tail: Mutex::new(tail),
            work: Condvar::new(),
            durable: watch::Sender::default(),
        });
        let thread = Arc::clone(&writer);
        thread::Builder::new().name("journal".to_owned()).spawn(move || thread.work())?;
        Ok(writer)
    }

    pub(super) fn append(&self, record: &Record<'_>) -> Result<(), JournalError> {
        let mut tail = self.lock();
        let mut frame = std::mem::take(&mut tail.scratch);
        frame.clear();
        let appended = record::encode(record, &mut frame)
            .map_err(JournalError::from)
            .and_then(|()| self.write(&mut tail, &frame).map_err(|err| JournalError::Write(Arc::new(err))));
        let frame_bytes = frame.len() as u64;
        tail.scratch = frame;
        match &appended {
            Ok(()) => {
                tail.records += 1;
                tail.appended += frame_bytes;
                if self.durability == Durability::Sync {
                    self.work.notify_one();
                }
                if std::mem::take(&mut tail.failing) {
                    info!("the journal can be written again");
                }
            }
            Err(err) => {
                tail.failures += 1;
                if !std::mem::replace(&mut tail.failing, true) {
                    error!(%err, directory = %self.directory.display(), "changes are refused until the journal can be written");
                }
            }
        }
        appended
    }

    fn write(&self, tail: &mut Tail, frame: &[u8]) -> io::Result<()> {
        if let Some(failure) = &self.durable.borrow().failure {
            return Err(io::Error::new(failure.kind(), failure.to_string()));
        }
        if self.durability == Durability::None {
            if tail.gathered.len() + frame.len() > GATHERED_BYTES_MAX {
                tail.write_gathered()?;
            }
            tail.gathered.extend_from_slice(frame);
            return Ok(());
        }
        tail.write(frame)
    }

    pub(super) async fn settled(&self) -> Result<(), JournalError> {
        if self.durability != Durability::Sync {
            return Ok(());
        }
        let appended = self.lock().appended;
        let mut durable = self.durable.subscribe();
        let reached = durable.wait_for(|durable| durable.bytes >= appended || durable.failure.is_some()).await;
        match reached.map(|durable| durable.failure.clone()) {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(JournalError::Write(failure)),
            Err(_) => Err(JournalError::Write(Arc::new(io::Error::other("the journal was closed")))),
        }
    }

    /// The thread: writes what was gathered and makes durable what was written, for as long as the journal is open.
    fn work(&self) {
        let mut tail = self.lock();
        while !tail.stopping {
            let idle = tail.appended == self.durable.borrow().bytes;
            tail = match self.durability {
                Durability::Sync if idle => self.work.wait(tail).unwrap_or_else(PoisonError::into_inner),
                Durability::Sync => tail,
                Durability::Batch => self.wait(tail, SYNC_INTERVAL),
                Durability::None => self.wait(tail, FLUSH_INTERVAL),
            };
            if tail.appended == self.durable.borrow().bytes {
                continue;
            }
            tail = self.make_durable(tail);
        }
    }

    fn wait<'t>(&self, tail: MutexGuard<'t, Tail>, interval: std::time::Duration) -> MutexGuard<'t, Tail> {
        self.work.wait_timeout(tail, interval).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes and syncs what was appended so far. The lock is let go of while the disk works.
    fn make_durable<'t>(&'t self, mut tail: MutexGuard<'t, Tail>) -> MutexGuard<'t, Tail> {
        if let Err(err) = tail.write_gathered() {
            // They stay gathered, and whoever appends past the limit learns of it.
            if !std::mem::replace(&mut tail.failing, true) {
                error!(%err, "the journal can't be written; what was gathered waits");
            }
            return tail;
        }
        let (appended, file) = (tail.appended, Arc::clone(&tail.file));
        if self.durability == Durability::None {
            self.durable.send_modify(|durable| durable.bytes = appended);
            return tail;
        }
        drop(tail);
        self.sync(&file, appended);
        self.lock()
    }

    /// After a failed sync nobody knows what is on the disk, so nothing is accepted any more.
    fn sync(&self, file: &File, appended: u64) {
        match file.sync_data() {
            Ok(()) => self.durable.send_modify(|durable| durable.bytes = durable.bytes.max(appended)),
            Err(err) => {
                error!(%err, directory = %self.directory.display(), "the disk refused to make the journal durable; \
                       no change is accepted until envfarm is started again");
                self.durable.send_modify(|durable| durable.failure = Some(Arc::new(err)));
            }
        }
    }

    pub(super) fn flush(&self) -> Result<(), JournalError> {
        let mut tail = self.lock();
        tail.write_gathered().map_err(|err| JournalError::Write(Arc::new(err)))?;
        let (appended, file) = (tail.appended, Arc::clone(&tail.file));
        drop(tail);
        self.sync(&file, appended);
        match &self.durable.borrow().failure {
            None => Ok(()),
            Some(failure) => Err(JournalError::Write(Arc::clone(failure))),
        }
    }

    /// Whether the files have grown enough to be rewritten.
    pub(super) fn has_grown(&self) -> bool {
        let tail = self.lock();
        let bytes = tail.earlier_bytes + tail.length;
        bytes >= self.compact_bytes && bytes >= 2 * tail.base_bytes
    }

    /// Ends the current file and goes on in another; a number is left free between them. The number of the ended one.
    pub(super) fn rotate(&self) -> io::Result<u64> {
        let mut tail = self.lock();
        tail.write_gathered()?;
        let ended = tail.segment.number;
        let (segment, file, length) = Segment::create(&self.directory, ended + 2, false)?;
        tail.file.sync_data()?;
        tail.earlier_bytes += tail.length;
        (tail.segment, tail.file, tail.length) = (segment, Arc::new(file), length);
        Ok(ended)
    }

    /// The files before the current one have been rewritten to this size.
    pub(super) fn rewritten(&self, bytes: u64) {
        let mut tail = self.lock();
        tail.earlier_bytes = bytes;
        tail.base_bytes = bytes;
        tail.compactions += 1;
    }

    pub(super) fn stats(&self) -> JournalStats {
        let tail = self.lock();
        JournalStats {
            bytes: tail.earlier_bytes + tail.length + tail.gathered.len() as u64,
            records: tail.records,
            lag_bytes: tail.appended.saturating_sub(self.durable.borrow().bytes),
            failures: tail.failures,
            compactions: tail.compactions,
            cut_bytes: tail.cut_bytes,
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.work.notify_one();
    }

    /// A panic elsewhere can't leave the tail half-changed: `length` moves only behind a whole record.
    fn lock(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    /// Writes whole frames, or nothing.
    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.ragged {
            self.file.set_len(self.length)?;
            self.ragged = false;
        }
        if let Err(err) = (&*self.file).write_all(frames) {
            self.ragged = self.file.set_len(self.length).is_err();
            return Err(err);
        }
        self.length += frames.len() as u64;
        Ok(())
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        let written = self.write(&gathered);
        self.gathered = gathered;
        if written.is_ok() {
            self.gathered.clear();
        }
        written
    }
}
