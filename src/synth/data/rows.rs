//! Drawing the rows of one entity.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use indexmap::IndexMap;
use jiff::ToSpan;
use rusqlite::types::Value as SqlValue;
use rusqlite::{ToSql, params_from_iter};
use serde_json::Value;

use super::super::blueprint::files::CatalogFile;
use super::super::lexicon;
use super::super::rng::Rng;
use super::super::world::{Amount, Column, Entity, Kind, Resolver};
use super::functions::{lock, stamp};
use super::{Scratch, plain, shown};
use crate::package::diagnostic::Code;

/// Most rows of one entity.
const ROWS_MAX: usize = 2_000;

/// Times a row is drawn anew until it breaks no UNIQUE.
const DRAWS_MAX: usize = 60;

/// A row as it begins: what its catalog or parent gives.
type Given = Vec<(String, SqlValue)>;

impl Scratch {
    /// Draws an entity's rows and computes its computed columns.
    pub(super) fn fill(&self, resolver: &mut Resolver<'_>, entity: &Entity, entities: &IndexMap<String, Entity>) {
        let given = match self.given(entity, entities) {
            Ok(given) => given,
            Err(message) => {
                return resolver.wrong(Code::BlueprintSql, &entity.place, 0, format!("{}: {message}", entity.name));
            }
        };
        let mut drawn = Drawn::default();
        for (number, given) in given.into_iter().take(ROWS_MAX).enumerate() {
            match self.draw(entity, entities, &given, number, &mut drawn) {
                Ok(Some(row)) => {
                    if let Err(err) = self.insert(entity, &row) {
                        resolver.wrong(
                            Code::BlueprintSql,
                            &entity.place,
                            0,
                            format!("{}: {}", entity.name, plain(&err)),
                        );
                        return;
                    }
                }
                // No combination is left: fewer rows do.
                Ok(None) => {}
                Err((line, message)) => {
                    resolver.wrong(Code::BlueprintSql, &entity.place, line, format!("{}: {message}", entity.name));
                    return;
                }
            }
        }
        self.compute(resolver, entity);
        self.drop_twins(resolver, entity);
    }

    /// Fills the columns that are computed from others.
    fn compute(&self, resolver: &mut Resolver<'_>, entity: &Entity) {
        for (name, column) in &entity.columns {
            let Some(expression) = &column.computed else { continue };
            let value = match column.null {
                Some(probability) if probability > 0.0 => {
                    format!("CASE WHEN chance({probability}) THEN NULL ELSE ({expression}) END")
                }
                _ => format!("({expression})"),
            };
            let kept =
                if given_by_catalog(entity, name) { format!(" WHERE \"{name}\" IS NULL") } else { String::new() };
            let sql = format!("UPDATE \"{}\" SET \"{name}\" = {value}{kept}", entity.table);
            if let Err(err) = self.run(&sql) {
                let message = format!("{}.{name}: {err} in: {}", entity.name, shown(expression));
                resolver.wrong(Code::BlueprintSql, &entity.place, column.line, message);
            }
        }
    }

    /// Computed values may make rows alike that must not be: the later ones go.
    fn drop_twins(&self, resolver: &mut Resolver<'_>, entity: &Entity) {
        let alone = entity.columns.iter().filter(|(_, column)| column.unique).map(|(name, _)| vec![name.clone()]);
        for group in alone.chain(entity.unique.iter().cloned()).chain(std::iter::once(entity.key.clone())) {
            let is_computed = |name: &String| entity.columns.get(name).is_some_and(|column| column.computed.is_some());
            if !group.iter().any(is_computed) {
                continue;
            }
            let columns = group.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
            let set = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
            let columns = columns.join(", ");
            let table = &entity.table;
            let sql = format!(
                "DELETE FROM \"{table}\" WHERE {set} AND rowid NOT IN (SELECT min(rowid) FROM \"{table}\" GROUP BY {columns})"
            );
            if let Err(err) = self.run(&sql) {
                resolver.wrong(Code::BlueprintSql, &entity.place, 0, format!("{}: {err}", entity.name));
            }
        }
    }

    /// What each row begins with.
    fn given(&self, entity: &Entity, entities: &IndexMap<String, Entity>) -> Result<Vec<Given>, String> {
        match &entity.amount {
            Amount::Rows(low, high) => {
                let count = lock(&self.shared.rng).between(*low, *high).max(0) as usize;
                Ok(vec![Given::new(); count])
            }
            Amount::Catalog(catalog) => Ok(self.of_catalog(entity, catalog)),
            Amount::Per { entity: parent, column, low, high, restriction } => {
                let Some(parent) = entities.get(parent) else { return Ok(Vec::new()) };
                let mut given = Vec::new();
                for id in self.ids_of(parent, restriction.as_deref(), None)? {
                    let count = lock(&self.shared.rng).between(*low, *high).max(0);
                    given.extend((0..count).map(|_| vec![(column.clone(), id.clone())]));
                }
                Ok(given)
            }
        }
    }

    fn of_catalog(&self, entity: &Entity, catalog: &CatalogFile) -> Vec<Given> {
        let mut rng = lock(&self.shared.rng);
        let mut order: Vec<usize> = (0..catalog.rows.len()).collect();
        rng.shuffle(&mut order);
        if let Some((low, high)) = catalog.take {
            order.truncate(rng.between(low, high).max(0) as usize);
        }
        let row = |index: usize, rng: &mut Rng| {
            let cells = catalog.columns.iter().zip(catalog.rows[index].iter());
            let known = cells.filter(|(name, _)| entity.columns.contains_key(*name));
            known
                .map(|(name, value)| (name.clone(), jittered(value, entity.columns.get(name), catalog.jitter, rng)))
                .collect()
        };
        order.into_iter().map(|index| row(index, &mut rng)).collect()
    }

    /// Ids of an entity's rows: those that a restriction allows and, where both sides have owners, that have the same one.
    fn ids_of(
        &self,
        entity: &Entity,
        restriction: Option<&str>,
        owner: Option<&SqlValue>,
    ) -> Result<Vec<SqlValue>, String> {
        let mut conditions: Vec<String> =
            restriction.map(|sql| format!("({})", self.clock.fill(sql))).into_iter().collect();
        let owner = owner.filter(|owner| **owner != SqlValue::Null).zip(entity.owner.as_ref());
        if let Some((_, column)) = owner {
            conditions.push(format!("\"{column}\" = ?"));
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let id = entity.key.first().map_or("id", String::as_str);
        let sql = format!("SELECT \"{id}\" FROM \"{}\"{condition} ORDER BY rowid", entity.table);
        let mut statement = self.connection.prepare_cached(&sql).map_err(|err| plain(&err))?;
        let owner = params_from_iter(owner.iter().map(|(owner, _)| owner));
        let ids = statement.query_map(owner, |row| row.get(0)).map_err(|err| plain(&err))?;
        ids.collect::<rusqlite::Result<_>>().map_err(|err| plain(&err))
    }

    /// One row; none where every draw breaks a UNIQUE.
    fn draw(
        &self,
        entity: &Entity,
        entities: &IndexMap<String, Entity>,
        given: &Given,
        number: usize,
        drawn: &mut Drawn,
    ) -> Result<Option<Vec<SqlValue>>, (usize, String)> {
        for _ in 0..DRAWS_MAX {
            let mut row = Vec::with_capacity(entity.columns.len() + 1);
            for (name, column) in &entity.columns {
                let value = match given.iter().find(|(given, _)| given == name) {
                    Some((_, value)) => value.clone(),
                    None if column.computed.is_some() => SqlValue::Null,
                    None => {
                        let owner = owner_of(entity, &row);
                        if let Some(address) = address_of(column, entity, &row) {
                            row.push(SqlValue::Text(address));
                            continue;
                        }
                        self.value(column, entities, number, owner)
                            .map_err(|err| (column.line, format!("{name}: {err}")))?
                    }
                };
                row.push(value);
            }
            if drawn.admit(entity, &row) {
                if entity.key.is_empty() {
                    let mut ids = self.shared.ids.lock().unwrap_or_else(PoisonError::into_inner);
                    row.insert(0, ids.next(&entity.name).unwrap_or(SqlValue::Null));
                }
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn insert(&self, entity: &Entity, row: &[SqlValue]) -> rusqlite::Result<()> {
        let marks = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT INTO \"{}\" VALUES ({marks})", entity.table);
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.execute(params_from_iter(row.iter().map(|value| value as &dyn ToSql))).map(drop)
    }

    fn value(
        &self,
        column: &Column,
        entities: &IndexMap<String, Entity>,
        number: usize,
        owner: Option<&SqlValue>,
    ) -> Result<SqlValue, String> {
        if column.null.is_some_and(|probability| lock(&self.shared.rng).chance(probability)) {
            return Ok(SqlValue::Null);
        }
        if let Kind::Ref { entity, restriction } = &column.kind {
            let Some(entity) = entities.get(entity) else { return Ok(SqlValue::Null) };
            // Before the lock: the restriction's SQL may draw numbers itself.
            let ids = self.ids_of(entity, restriction.as_deref(), owner)?;
            return match lock(&self.shared.rng).pick(&ids) {
                Some(id) => Ok(id.clone()),
                None if column.null.is_some() => Ok(SqlValue::Null),
                None => Err(format!("there is no row of {} to refer to", entity.name)),
            };
        }
        let mut rng = lock(&self.shared.rng);
        Ok(match &column.kind {
            Kind::Ref { .. } => SqlValue::Null,
            Kind::Text { values, max } => {
                let text = text(values, number, &mut rng)?;
                SqlValue::Text(text.chars().take(*max).collect())
            }
            Kind::Enum { members, weights } => SqlValue::Text(weighted(members, weights, &mut rng)),
            Kind::Int(low, high) => SqlValue::Integer(rng.between(*low, *high)),
            Kind::Number { low, high, digits } => SqlValue::Real(rounded(low + (high - low) * rng.unit(), *digits)),
            Kind::Money { low, high, step } => {
                let steps = rng.between(low / step, high / step);
                SqlValue::Integer((steps * step).max(*low))
            }
            Kind::Date(low, high) => SqlValue::Text(self.clock.day(rng.between(*low, *high)).to_string()),
            Kind::Time { low, high, hours, minutes } => {
                let day = self.clock.day(rng.between(*low, *high));
                let slots = ((hours.1 - hours.0).max(0) * 60) / minutes;
                let minute = hours.0 * 60 + rng.between(0, slots) * minutes;
                let time = day.at(0, 0, 0, 0).saturating_add(minute.minutes());
                SqlValue::Text(stamp(time))
            }
            Kind::Bool(probability) => SqlValue::Integer(i64::from(rng.chance(*probability))),
        })
    }
}

/// An e-mail address or user name after the person that the row is about, if it has one before this column.
fn address_of(column: &Column, entity: &Entity, row: &[SqlValue]) -> Option<String> {
    let generator = |column: &Column| match &column.kind {
        Kind::Text { values, .. } if values.len() == 1 => Some(values[0].clone()),
        _ => None,
    };
    let wanted = generator(column).filter(|_| column.null.is_none())?;
    let person = entity.columns.values().zip(row).find(|(column, _)| generator(column).as_deref() == Some("person"));
    let Some((_, SqlValue::Text(name))) = person else { return None };
    let plain: Vec<String> = name.split_whitespace().map(ascii).collect();
    match wanted.as_str() {
        "email" => Some(format!("{}@example.org", plain.join("."))),
        "username" => Some(plain.join("_")),
        _ => None,
    }
}

/// Lowercase letters of a name, without accents.
fn ascii(name: &str) -> String {
    const PLAIN: &[(&str, &str)] = &[
        ("àáâãäåāăą", "a"),
        ("çćč", "c"),
        ("ďđð", "d"),
        ("èéêëēęě", "e"),
        ("ğ", "g"),
        ("ìíîïīı", "i"),
        ("łľ", "l"),
        ("ñńň", "n"),
        ("òóôõöøōő", "o"),
        ("ř", "r"),
        ("śşšș", "s"),
        ("ťţț", "t"),
        ("ùúûüūůű", "u"),
        ("ýÿ", "y"),
        ("žźż", "z"),
        ("ß", "ss"),
        ("æ", "ae"),
        ("œ", "oe"),
        ("þ", "th"),
    ];
    let letter = |letter: char| match PLAIN.iter().find(|(accented, _)| accented.contains(letter)) {
        Some((_, plain)) => (*plain).to_owned(),
        None if letter.is_ascii_alphanumeric() => letter.to_string(),
        None => String::new(),
    };
    name.to_lowercase().chars().map(letter).collect()
}

/// The owner that a row has so far.
fn owner_of<'r>(entity: &Entity, row: &'r [SqlValue]) -> Option<&'r SqlValue> {
    let owner = entity.columns.get_index_of(entity.owner.as_ref()?)?;
    row.get(owner)
}

/// Values that UNIQUE columns have already.
#[derive(Default)]
struct Drawn {
    taken: BTreeSet<String>,
}

impl Drawn {
    /// Whether a row breaks no UNIQUE; if so it is remembered.
    fn admit(&mut self, entity: &Entity, row: &[SqlValue]) -> bool {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let position = |name: &String| entity.columns.get_index_of(name);
        for (index, (_, column)) in entity.columns.iter().enumerate() {
            let is_person =
                matches!(&column.kind, Kind::Text { values, .. } if values.len() == 1 && values[0] == "person");
            if column.unique || is_person {
                groups.push(vec![index]);
            }
        }
        groups.extend(entity.unique.iter().map(|names| names.iter().filter_map(position).collect()));
        if !entity.key.is_empty() {
            groups.push(entity.key.iter().filter_map(position).collect());
        }
        let mut keys = Vec::new();
        for group in groups {
            // Computed columns are NULL yet, and NULLs are never alike.
            if group.iter().any(|index| row[*index] == SqlValue::Null) {
                continue;
            }
            let values: Vec<&SqlValue> = group.iter().map(|index| &row[*index]).collect();
            keys.push(format!("{group:?} {values:?}"));
        }
        if keys.iter().any(|key| self.taken.contains(key)) {
            return false;
        }
        self.taken.extend(keys);
        true
    }
}

fn given_by_catalog(entity: &Entity, column: &str) -> bool {
    matches!(&entity.amount, Amount::Catalog(catalog) if catalog.columns.iter().any(|name| name == column))
}

/// One of the texts; a pattern or generator where there is just one.
fn text(values: &[String], number: usize, rng: &mut Rng) -> Result<String, String> {
    let Some(value) = rng.pick(values).cloned() else { return Ok(String::new()) };
    if value.contains('{') || values.len() == 1 && lexicon::known(&value) {
        return lexicon::generate(&value, number + 1, rng);
    }
    Ok(value)
}

fn weighted(members: &[String], weights: &[f64], rng: &mut Rng) -> String {
    if weights.len() != members.len() {
        return rng.pick(members).cloned().unwrap_or_default();
    }
    let mut left = rng.unit() * weights.iter().sum::<f64>();
    for (member, weight) in members.iter().zip(weights) {
        left -= weight;
        if left < 0.0 {
            return member.clone();
        }
    }
    members.last().cloned().unwrap_or_default()
}

fn rounded(number: f64, digits: u32) -> f64 {
    let scale = 10_f64.powi(digits.min(9) as i32);
    (number * scale).round() / scale
}

#[expect(clippy::cast_possible_truncation, reason = "amounts of a catalog are far below 2^53")]
fn jittered(value: &Value, column: Option<&Column>, jitter: Option<f64>, rng: &mut Rng) -> SqlValue {
    let factor = jitter.map_or(1.0, |share| 1.0 + share * (2.0 * rng.unit() - 1.0));
    match (value, column.map(|column| &column.kind)) {
        (Value::Number(number), Some(Kind::Money { step, .. })) if jitter.is_some() => {
            let cents = number.as_f64().unwrap_or_default() * factor;
            let step = *step as f64;
            // What is free stays free, and nothing else becomes so.
            let least = if cents > 0.0 { step } else { 0.0 };
            SqlValue::Integer(((cents / step).round() * step).max(least) as i64)
        }
        (Value::Number(number), Some(Kind::Number { digits, .. })) => {
            let digits = if jitter.is_some() { digits } else { &9 };
            SqlValue::Real(rounded(number.as_f64().unwrap_or_default() * factor, *digits))
        }
        (Value::Number(number), _) => {
            number.as_i64().map_or_else(|| SqlValue::Real(number.as_f64().unwrap_or_default()), SqlValue::Integer)
        }
        (Value::Bool(flag), _) => SqlValue::Integer(i64::from(*flag)),
        (Value::String(text), _) => SqlValue::Text(text.clone()),
        _ => SqlValue::Null,
    }
}
