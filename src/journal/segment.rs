//! The files of a journal: `journal-00000001.log` and so on, read in the order of their numbers.
//!
//! A file begins with a line of text that says what it is, then come frames. A *base* holds everything that was worth keeping of
//! all files before it, so those are void once it exists.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::record::{self, Record, Unreadable};
use super::{JournalError, VERSION};

/// What a file's first line begins with.
const FORMAT: &str = "envfarm-journal";

/// Longest first line that is looked for.
const FIRST_LINE_BYTES_MAX: usize = 64;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// A file of the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

/// What reading a file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes up to the end of the last good record.
    pub(super) good: u64,
    /// Bytes in all.
    pub(super) length: u64,
    /// Why reading ended before the end of the file.
    pub(super) damage: Option<&'static str>,
}

impl Segment {
    fn new(directory: &Path, number: u64) -> Self {
        Self { number, path: directory.join(format!("journal-{number:08}.log")) }
    }

    /// The files in `directory` that count, in order. Files that a base has made void are deleted.
    pub(super) fn all(directory: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("journal-")?.strip_suffix(".log"));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                found.push(Self::new(directory, number));
            }
        }
        found.sort();
        let mut base = 0;
        for (index, segment) in found.iter().enumerate() {
            if first_line(&segment.path)?.is_some_and(|(_, is_base)| is_base) {
                base = index;
            }
        }
        for void in found.drain(..base) {
            fs::remove_file(&void.path)?;
        }
        Ok(found)
    }

    /// Creates the file with that number, durably, and opens it for appending. Its length is given too.
    pub(super) fn create(directory: &Path, number: u64, is_base: bool) -> io::Result<(Self, File, u64)> {
        let segment = Self::new(directory, number);
        let line = format!("{FORMAT} {VERSION}{}\n", if is_base { " base" } else { "" });
        let unfinished = segment.path.with_extension("new");
        let mut file = File::create(&unfinished)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        if !is_base {
            segment.publish()?;
        }
        let path = if is_base { &unfinished } else { &segment.path };
        let file = OpenOptions::new().append(true).open(path)?;
        Ok((segment, file, line.len() as u64))
    }

    /// Gives a file that was created as a base its name, durably; from then on it counts.
    pub(super) fn publish(&self) -> io::Result<()> {
        fs::rename(self.path.with_extension("new"), &self.path)?;
        sync_directory(&self.path)
    }

    /// Reads the file's records in order, up to its end or the first damage. `each` gets a record and its frame.
    pub(super) fn read(&self, mut each: impl FnMut(Record<'_>, &[u8])) -> Result<Extent, JournalError> {
        let failed = |source| JournalError::Read { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let Some((line_bytes, _)) = first_line(&self.path).map_err(failed)? else {
            if self.is_of_another_version().map_err(failed)? {
                return Err(JournalError::Version { path: self.path.clone() });
            }
            return Ok(Extent { good: 0, length, damage: Some("its first line is damaged") });
        };
        let mut good = line_bytes as u64;
        (&file).seek(SeekFrom::Start(good)).map_err(failed)?;
        let (mut buffer, mut at) = (Vec::with_capacity(READ_BYTES), 0);
        loop {
            match record::decode(&buffer[at..]) {
                Ok((record, frame_bytes)) => {
                    each(record, &buffer[at..at + frame_bytes]);
                    at += frame_bytes;
                    good += frame_bytes as u64;
                }
                Err(Unreadable::Damaged(damage)) => return Ok(Extent { good, length, damage: Some(damage) }),
                Err(Unreadable::Short) => {
                    buffer.drain(..at);
                    at = 0;
                    if (&file).take(READ_BYTES as u64).read_to_end(&mut buffer).map_err(failed)? == 0 {
                        let damage = (!buffer.is_empty()).then_some("the file ends within a record");
                        return Ok(Extent { good, length, damage });
                    }
                }
            }
        }
    }

    fn is_of_another_version(&self) -> io::Result<bool> {
        let mut start = Vec::with_capacity(FIRST_LINE_BYTES_MAX);
        File::open(&self.path)?.take(FIRST_LINE_BYTES_MAX as u64).read_to_end(&mut start)?;
        Ok(start.starts_with(FORMAT.as_bytes()) && start.contains(&b'\n'))
    }

    /// Takes everything behind the last good record out of the file and keeps it in another, for whoever wants to look.
    pub(super) fn cut(&self, extent: &Extent) -> io::Result<PathBuf> {
        let kept = self.path.with_extension(format!("cut-{}", extent.good));
        let bytes = fs::read(&self.path)?;
        let cut = usize::try_from(extent.good).ok().and_then(|good| bytes.get(good..)).unwrap_or_default();
        let mut file = File::create(&kept)?;
        file.write_all(cut)?;
        file.sync_data()?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(extent.good)?;
        file.sync_data()?;
        sync_directory(&self.path)?;
        Ok(kept)
    }

    /// Puts a whole file out of the way, for whoever wants to look.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let kept = self.path.with_extension("cut-0");
        fs::rename(&self.path, &kept)?;
        sync_directory(&self.path)?;
        Ok(kept)
    }
}

/// Length of a file's first line and whether it is a base; none where it isn't one of this version's.
fn first_line(path: &Path) -> io::Result<Option<(usize, bool)>> {
    let mut start = Vec::with_capacity(FIRST_LINE_BYTES_MAX);
    File::open(path)?.take(FIRST_LINE_BYTES_MAX as u64).read_to_end(&mut start)?;
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = std::str::from_utf8(&start[..end]).unwrap_or_default();
    let plain = format!("{FORMAT} {VERSION}");
    let is_base = line.strip_prefix(&plain).map(|rest| rest == " base");
    Ok(is_base.filter(|is_base| *is_base || line == plain).map(|is_base| (end + 1, is_base)))
}

/// Makes a file's name as durable as its bytes.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
