//! `random()`, `randomblob(n)`, `token(n)` and `uuid()`: random to the agent, a function of the episode.
//!
//! They are INNOCUOUS, since they stand in DEFAULTs and triggers, where an untrusted schema may use nothing else; and not
//! DETERMINISTIC, or SQLite would call them once per statement. Like SQLite's own random() they are evaluated per row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};

use super::Moment;
use super::connection::VALUE_BYTES_MAX;

/// Longest result of `token(n)`; nobody reads out a longer reference.
const TOKEN_LENGTH_MAX: i64 = 64;

const TOKEN_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Increment of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The connection's source of random numbers: SplitMix64, started anew at each binding.
#[derive(Debug, Default)]
pub(super) struct Dice {
    state: AtomicU64,
    used: AtomicBool,
}

impl Dice {
    /// Starts the sequence that belongs to this moment.
    pub(super) fn start(&self, moment: Moment) {
        let start = mix(mix(moment.seed.wrapping_add(GOLDEN_GAMMA)).wrapping_add(moment.commits));
        self.state.store(start, Ordering::Relaxed);
        self.used.store(false, Ordering::Relaxed);
    }

    /// Whether a number was drawn since the last question.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    fn draw(&self) -> u64 {
        self.used.store(true, Ordering::Relaxed);
        let state = self.state.load(Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA);
        self.state.store(state, Ordering::Relaxed);
        mix(state)
    }

    fn blob(&self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::with_capacity(length.next_multiple_of(8));
        while bytes.len() < length {
            bytes.extend(self.draw().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn token(&self, length: usize) -> String {
        // The high half of a product of 32 bits with 36 is a number below 36, with a bias of less than 1 in 10^8.
        let letter = || TOKEN_ALPHABET[(((self.draw() >> 32) * 36) >> 32) as usize];
        std::iter::repeat_with(letter).take(length).map(char::from).collect()
    }

    /// Version 4 (random) of RFC 9562.
    fn uuid(&self) -> String {
        let high = self.draw() & !0xf000 | 0x4000;
        let low = self.draw() & !(0b11 << 62) | 0b10 << 62;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Installs the functions. Once per connection: installing expires every compiled statement.
pub(super) fn install(connection: &Connection, dice: &Arc<Dice>) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let own = Arc::clone(dice);
    connection.create_scalar_function("random", 0, flags, move |_| Ok(own.draw() as i64))?;
    let own = Arc::clone(dice);
    connection.create_scalar_function("randomblob", 1, flags, move |call| {
        // As SQLite's own: at least one byte.
        let length = integer(call)?.unwrap_or(0).max(1);
        if length > i64::from(VALUE_BYTES_MAX) {
            return Err(refusal("string or blob too big"));
        }
        Ok(own.blob(length as usize))
    })?;
    let own = Arc::clone(dice);
    connection.create_scalar_function("token", 1, flags, move |call| match integer(call)? {
        Some(length @ 1..=TOKEN_LENGTH_MAX) => Ok(own.token(length as usize)),
        _ => Err(refusal("token(n) takes a length from 1 to 64")),
    })?;
    let own = Arc::clone(dice);
    connection.create_scalar_function("uuid", 0, flags, move |_| Ok(own.uuid()))
}

fn integer(call: &Context<'_>) -> Result<Option<i64>> {
    call.get(0)
}

fn refusal(message: &str) -> Error {
    Error::UserFunctionError(message.into())
}
