//! Functions of SQL that makes data: `rnd`, `chance`, `pick`, `day`, `at`, `newid`, `fake`, `token`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, Error, Result};

use super::super::lexicon;
use super::super::rng::Rng;
use super::super::style::Ids;
use super::super::world::Entity;

/// The environment's clock at its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// UTC.
    pub now: DateTime,
}

impl Clock {
    /// As packages write it.
    pub(crate) fn text(self) -> String {
        stamp(self.now)
    }

    /// The day so many days from now.
    pub(crate) fn day(self, days: i64) -> Date {
        self.now.date().saturating_add(span(days))
    }

    /// SQL with `:now` written out.
    pub(crate) fn fill(self, sql: &str) -> String {
        sql.replace(":now", &format!("'{}'", self.text()))
    }
}

fn span(days: i64) -> Span {
    days.clamp(-100_000, 100_000).days()
}

/// A timestamp as packages write it.
pub(crate) fn stamp(time: DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What the functions and the drawing of rows share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub rng: Arc<Mutex<Rng>>,
    pub ids: Arc<Mutex<IdSource>>,
}

/// Gives ids in the variant's style.
#[derive(Debug)]
pub(super) struct IdSource {
    ids: Ids,
    rng: Rng,
    /// By entity: its prefix, the number before its first id, how many there are.
    entities: BTreeMap<String, (String, i64, i64)>,
}

impl IdSource {
    fn new(entities: &IndexMap<String, Entity>, ids: Ids, rng: &Rng) -> Self {
        let mut rng = rng.fork("ids");
        let entities = entities.values().map(|entity| {
            let base = match ids {
                Ids::Large => rng.between(1, 90) * 1_000 + rng.between(0, 9) * 100,
                _ => 0,
            };
            (entity.name.clone(), (entity.prefix.clone(), base, 0))
        });
        Self { ids, entities: entities.collect(), rng: Rng::new(0) }.with_rng(rng)
    }

    fn with_rng(self, rng: Rng) -> Self {
        Self { rng, ..self }
    }

    /// The next id of an entity.
    pub(super) fn next(&mut self, entity: &str) -> Option<Value> {
        let (prefix, base, count) = self.entities.get_mut(entity)?;
        *count += 1;
        Some(match self.ids {
            Ids::Small | Ids::Large => Value::Integer(*base + *count),
            Ids::Prefixed => Value::Text(format!("{prefix}_{}", token(&mut self.rng, 8))),
            Ids::Plain => Value::Text(token(&mut self.rng, 10)),
        })
    }
}

fn token(rng: &mut Rng, length: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(ALPHABET[rng.below(ALPHABET.len())])).collect()
}

/// Installs the functions.
pub(super) fn install(
    connection: &Connection,
    clock: Clock,
    rng: Rng,
    entities: &IndexMap<String, Entity>,
    ids: Ids,
) -> Result<Shared> {
    let shared = Shared {
        ids: Arc::new(Mutex::new(IdSource::new(entities, ids, &rng))),
        rng: Arc::new(Mutex::new(rng.fork("rows"))),
    };
    let flags = FunctionFlags::SQLITE_UTF8;
    let own = Arc::clone(&shared.rng);
    connection.create_scalar_function("rnd", 2, flags, move |call| {
        let (low, high) = (whole(call, 0)?, whole(call, 1)?);
        Ok(lock(&own).between(low, high))
    })?;
    let own = Arc::clone(&shared.rng);
    connection.create_scalar_function("chance", -1, flags, move |call| {
        let probability: f64 = call.get(0)?;
        Ok(i64::from(lock(&own).chance(probability)))
    })?;
    let own = Arc::clone(&shared.rng);
    connection.create_scalar_function("pick", -1, flags, move |call| {
        let chosen = lock(&own).below(call.len());
        if call.is_empty() { Ok(Value::Null) } else { call.get::<Value>(chosen) }
    })?;
    let own = Arc::clone(&shared.rng);
    connection.create_scalar_function("token", 1, flags, move |call| {
        let length = whole(call, 0)?;
        Ok(token(&mut lock(&own), length.clamp(1, 64) as usize))
    })?;
    let own = Arc::clone(&shared.rng);
    connection.create_scalar_function("fake", 1, flags, move |call| {
        let pattern: String = call.get(0)?;
        let mut rng = lock(&own);
        let number = rng.below(1_000_000);
        lexicon::generate(&pattern, number, &mut rng).map_err(|message| Error::UserFunctionError(message.into()))
    })?;
    let pure = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("day", 1, pure, move |call| Ok(clock.day(whole(call, 0)?).to_string()))?;
    connection.create_scalar_function("at", 2, pure, move |call| {
        let time: String = call.get(1)?;
        Ok(format!("{}T{time}:00Z", clock.day(whole(call, 0)?)))
    })?;
    let own = Arc::clone(&shared.ids);
    connection.create_scalar_function("newid", 1, flags, move |call| {
        let entity: String = call.get(0)?;
        let id = own.lock().unwrap_or_else(PoisonError::into_inner).next(&entity);
        id.ok_or_else(|| Error::UserFunctionError(format!("newid: there is no entity {entity}").into()))
    })?;
    Ok(shared)
}

pub(super) fn lock(rng: &Mutex<Rng>) -> std::sync::MutexGuard<'_, Rng> {
    rng.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::cast_possible_truncation, reason = "a number of days or a bound; saturates")]
fn whole(call: &Context<'_>, index: usize) -> Result<i64> {
    match call.get::<Value>(index)? {
        Value::Integer(number) => Ok(number),
        Value::Real(number) => Ok(number as i64),
        _ => Ok(0),
    }
}
