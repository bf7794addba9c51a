//! What the journal says, and how it is written: framed, checksummed, compact.
//!
//! A frame is the payload's length and a CRC-32 of that length and the payload (both little-endian `u32`), then the payload:
//! one [`Record`] in postcard's wire format, which is specified and stable. Fields are only ever added as new kinds of records,
//! under a new [`super::VERSION`] of the file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Bytes before a frame's payload.
pub(crate) const FRAME_HEAD_BYTES: usize = 8;

/// Largest payload that is read. The largest written is the creation of 4,096 episodes with long actors, or a call with a
/// mebibyte of arguments; a length beyond it is damage.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// An episode's id as the journal has it.
pub(crate) type IdBytes = [u8; 16];

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record<'a> {
    /// Episodes were created; all of them or, where the record is torn, none.
    #[serde(borrow)]
    Created(Created<'a>),
    /// A call was answered.
    #[serde(borrow)]
    Called(Called<'a>),
    /// An episode went back to its start.
    Reset {
        /// Which.
        id: IdBytes,
    },
    /// Copies of an episode were made.
    Forked {
        /// Of which.
        parent: IdBytes,
        /// After how many of its calls.
        calls: u32,
        /// The copies.
        forks: Vec<IdBytes>,
    },
    /// An episode ended and can still be looked at.
    #[serde(borrow)]
    Ended(Ended<'a>),
    /// Episodes were closed or have expired.
    Removed {
        /// Which.
        ids: Vec<IdBytes>,
    },
}

/// The creation of some episodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Created<'a> {
    /// Version of the engine.
    #[serde(borrow)]
    pub engine_version: Cow<'a, str>,
    /// The packages that the episodes are of.
    #[serde(borrow)]
    pub packages: Vec<PackageOf<'a>>,
    /// The episodes.
    #[serde(borrow)]
    pub episodes: Vec<Spec<'a>>,
}

/// A package, to the byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PackageOf<'a> {
    /// The environment's name.
    #[serde(borrow)]
    pub environment: Cow<'a, str>,
    /// SHA-256 of its files, in hexadecimal.
    #[serde(borrow)]
    pub digest: Cow<'a, str>,
}

/// What an episode was created with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec<'a> {
    /// Its id.
    pub id: IdBytes,
    /// Index of its package in [`Created::packages`].
    pub package: u32,
    /// Its task.
    #[serde(borrow)]
    pub task: Option<Cow<'a, str>>,
    /// Its seed.
    pub seed: u64,
    /// Id of its actor, as JSON.
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// Whose token made it.
    #[serde(borrow)]
    pub owner: Option<Cow<'a, str>>,
}

/// An answered call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Called<'a> {
    /// In which episode.
    pub id: IdBytes,
    /// How many calls the episode had answered before.
    pub number: u32,
    /// Index of the tool in its package.
    pub tool: u32,
    /// Whether it committed a change.
    pub changed: bool,
    /// CRC-32 of the observation's text, by which a replay knows that it went as before.
    pub check: u32,
    /// The arguments as JSON.
    #[serde(borrow)]
    pub arguments: Cow<'a, str>,
    /// The key it was sent under.
    #[serde(borrow)]
    pub key: Option<Cow<'a, str>>,
}

/// An episode's end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended<'a> {
    /// Which episode.
    pub id: IdBytes,
    /// How it ended.
    pub how: How,
    /// When, in Unix milliseconds of the host: how long it can still be looked at.
    pub at_ms: u64,
    /// Whether it was judged.
    pub judged: bool,
    /// The answer it was judged on.
    #[serde(borrow)]
    pub answer: Option<Cow<'a, str>>,
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// The agent finished and was judged.
    Terminated,
    /// A limit was hit.
    Truncated,
    /// The environment has a defect.
    Faulted,
}

/// Appends a record's frame to `out`; as it was on failure.
pub(crate) fn encode(record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
    if let Err(err) = postcard::to_io(record, &mut *out) {
        out.truncate(start);
        return Err(err);
    }
    let length = u32::try_from(out.len() - start - FRAME_HEAD_BYTES).unwrap_or(u32::MAX);
    let checksum = checksum(length, &out[start + FRAME_HEAD_BYTES..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + FRAME_HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Why bytes don't begin with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They end within it.
    Short,
    /// They aren't one.
    Damaged(&'static str),
}

/// The first record of `bytes` and the length of its frame.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Record<'_>, usize), Unreadable> {
    let (head, rest) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>().ok_or(Unreadable::Short)?;
    let [a, b, c, d, e, f, g, h] = *head;
    let (length, expected) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let payload_bytes = length as usize;
    if payload_bytes > PAYLOAD_BYTES_MAX || payload_bytes == 0 {
        return Err(Unreadable::Damaged("a record's length is impossible"));
    }
    let payload = rest.get(..payload_bytes).ok_or(Unreadable::Short)?;
    if checksum(length, payload) != expected {
        return Err(Unreadable::Damaged("a record's checksum doesn't match"));
    }
    let record = postcard::from_bytes(payload).map_err(|_| Unreadable::Damaged("a record can't be read"))?;
    Ok((record, FRAME_HEAD_BYTES + payload_bytes))
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(arguments: &str) -> Record<'_> {
        Record::Called(Called {
            id: [7; 16],
            number: 3,
            tool: 12,
            changed: true,
            check: 99,
            arguments: arguments.into(),
            key: Some("a".into()),
        })
    }

    #[test]
    fn frames_round_trip() {
        let records = [called("{}"), Record::Reset { id: [1; 16] }, Record::Removed { ids: vec![[2; 16]; 3] }];
        let mut bytes = Vec::new();
        records.iter().for_each(|record| encode(record, &mut bytes).unwrap());
        let mut at = 0;
        for record in &records {
            let (read, length) = decode(&bytes[at..]).unwrap();
            assert_eq!(read, *record);
            at += length;
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn every_flipped_bit_and_every_torn_end_is_noticed() {
        let mut bytes = Vec::new();
        encode(&called(r#"{"order_id": 7}"#), &mut bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(decode(&[0; 64]).is_err(), "zeros, as a file system may leave them behind a crash");
    }
}
