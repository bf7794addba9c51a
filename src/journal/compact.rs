//! Rewriting the journal without what nobody can ask for any more: episodes that were closed or have expired, and what came
//! before a reset.
//!
//! The current file is ended and appending goes on in a new one; meanwhile the ended files are read twice, first to learn what is
//! still needed and then to copy it into a *base*, which takes a number between them. Once the base has its name, the files before
//! it are void; a crash at any point leaves either them or the base.

use std::collections::HashMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use tracing::info;

use super::JournalError;
use super::record::{self, Created, IdBytes, Record};
use super::segment::Segment;
use super::writer::Writer;

/// What the ended files say of an episode.
#[derive(Debug, Default)]
struct Fate {
    removed: bool,
    /// Of which episode it is a copy.
    parent: Option<IdBytes>,
    /// It has copies, so its calls may be theirs.
    has_forks: bool,
    /// Index of its last reset among all records.
    reset_at: Option<u64>,
    kept: bool,
}

type Fates = HashMap<IdBytes, Fate>;

pub(super) fn run(writer: &Writer) -> Result<bool, JournalError> {
    if !writer.has_grown() {
        return Ok(false);
    }
    let failed = |err| JournalError::Write(Arc::new(err));
    let ended = writer.rotate().map_err(failed)?;
    let mut segments = Segment::all(&writer.directory).map_err(failed)?;
    segments.retain(|segment| segment.number <= ended);
    let fates = fates(&segments)?;
    let (base, file, first_line_bytes) = Segment::create(&writer.directory, ended + 1, true).map_err(failed)?;
    let mut file = BufWriter::new(file);
    let bytes = first_line_bytes + copy(&segments, &fates, &mut file)?;
    let file = file.into_inner().map_err(|err| failed(err.into_error()))?;
    file.sync_data().map_err(failed)?;
    base.publish().map_err(failed)?;
    let before: u64 = segments.iter().filter_map(|segment| Some(fs::metadata(&segment.path).ok()?.len())).sum();
    for void in &segments {
        // A file that can't be deleted is void all the same.
        drop(fs::remove_file(&void.path));
    }
    writer.rewritten(bytes);
    info!(before, after = bytes, "rewrote the journal without what has ended");
    Ok(true)
}

/// What becomes of every episode, as far as the ended files know.
fn fates(segments: &[Segment]) -> Result<Fates, JournalError> {
    let mut fates = Fates::new();
    let mut index = 0;
    for segment in segments {
        segment.read(|record, _| {
            learn(&mut fates, &record, index);
            index += 1;
        })?;
    }
    let mut wanted: Vec<IdBytes> = fates.iter().filter(|(_, fate)| !fate.removed).map(|(id, _)| *id).collect();
    // A copy needs the calls of what it was copied from.
    while let Some(id) = wanted.pop() {
        if let Some(fate) = fates.get_mut(&id)
            && !std::mem::replace(&mut fate.kept, true)
        {
            wanted.extend(fate.parent);
        }
    }
    Ok(fates)
}

fn learn(fates: &mut Fates, record: &Record<'_>, index: u64) {
    match record {
        Record::Created(created) => {
            fates.extend(created.episodes.iter().map(|spec| (spec.id, Fate::default())));
        }
        Record::Called(_) | Record::Ended(_) => {}
        Record::Reset { id } => {
            if let Some(fate) = fates.get_mut(id) {
                fate.reset_at = Some(index);
            }
        }
        Record::Forked { parent, forks, .. } => {
            if let Some(fate) = fates.get_mut(parent) {
                fate.has_forks = true;
            }
            let fork = |id: &IdBytes| (*id, Fate { parent: Some(*parent), ..Fate::default() });
            fates.extend(forks.iter().map(fork));
        }
        Record::Removed { ids } => {
            for id in ids {
                if let Some(fate) = fates.get_mut(id) {
                    fate.removed = true;
                }
            }
        }
    }
}

/// Copies what is needed; how many bytes that was.
fn copy(segments: &[Segment], fates: &Fates, out: &mut impl Write) -> Result<u64, JournalError> {
    let mut bytes = 0;
    let mut index = 0;
    let mut frame = Vec::new();
    for segment in segments {
        let mut failure = None;
        segment.read(|record, as_read| {
            let written = match needed(record, index, fates) {
                Needed::No => Ok(()),
                Needed::Whole => out.write_all(as_read).map(|()| bytes += as_read.len() as u64).map_err(Into::into),
                Needed::Part(part) => {
                    frame.clear();
                    record::encode(&part, &mut frame).map_err(JournalError::from).and_then(|()| {
                        bytes += frame.len() as u64;
                        out.write_all(&frame).map_err(Into::into)
                    })
                }
            };
            index += 1;
            if failure.is_none() {
                failure = written.err();
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(bytes)
}

impl From<std::io::Error> for JournalError {
    fn from(err: std::io::Error) -> Self {
        Self::Write(Arc::new(err))
    }
}

enum Needed<'a> {
    No,
    Whole,
    Part(Record<'a>),
}

fn needed<'a>(record: Record<'a>, index: u64, fates: &Fates) -> Needed<'a> {
    let kept = |id: &IdBytes| fates.get(id).is_some_and(|fate| fate.kept);
    // What came before a reset is void, unless a copy was made before it.
    let current = |id: &IdBytes| {
        fates.get(id).is_some_and(|fate| fate.kept && (fate.has_forks || fate.reset_at.is_none_or(|at| index > at)))
    };
    let whole = |needed: bool| if needed { Needed::Whole } else { Needed::No };
    match record {
        Record::Created(created) => {
            let all = created.episodes.len();
            let episodes: Vec<_> = created.episodes.into_iter().filter(|spec| kept(&spec.id)).collect();
            match episodes.len() {
                0 => Needed::No,
                some if some == all => Needed::Whole,
                _ => Needed::Part(Record::Created(Created { episodes, ..created })),
            }
        }
        Record::Called(called) => whole(current(&called.id)),
        // An episode that was created begins without calls anyway, a copy doesn't.
        Record::Reset { id } => {
            whole(fates.get(&id).is_some_and(|fate| fate.kept && (fate.has_forks || fate.parent.is_some())))
        }
        Record::Ended(ended) => whole(current(&ended.id)),
        Record::Forked { parent, calls, forks } => {
            let forks: Vec<IdBytes> = forks.into_iter().filter(kept).collect();
            if forks.is_empty() { Needed::No } else { Needed::Part(Record::Forked { parent, calls, forks }) }
        }
        // Of those whose calls a copy needs.
        Record::Removed { ids } => {
            let ids: Vec<IdBytes> = ids.into_iter().filter(kept).collect();
            if ids.is_empty() { Needed::No } else { Needed::Part(Record::Removed { ids }) }
        }
    }
}
