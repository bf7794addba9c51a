//! A variant's entities, resolved: what its tables are and how their rows are made.

use indexmap::IndexMap;
use serde_json::Value;

use super::blueprint::files::{CatalogFile, ColumnFile, DaysFile, EntityFile, MoveFile};
use super::lexicon;
use super::model::{Item, Model, Place, table_of};
use super::style::Ids;
use super::variant::Variant;
use crate::package::diagnostic::{Code, Diagnostic};

/// Longest text of a column that doesn't say.
const TEXT_LENGTH_MAX: usize = 200;

/// An entity of a variant.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub name: String,
    pub table: String,
    pub label: Option<String>,
    pub owner: Option<String>,
    /// SQL over its columns and `:actor`: whose rows they are.
    pub private: Option<String>,
    pub history: bool,
    /// Columns of the key; empty where there is an `id`.
    pub key: Vec<String>,
    pub columns: IndexMap<String, Column>,
    pub amount: Amount,
    pub unique: Vec<Vec<String>>,
    pub checks: Vec<String>,
    pub indexes: Vec<Vec<String>>,
    pub lifecycle: String,
    pub moves: IndexMap<String, MoveFile>,
    /// Beginning of its ids, where ids are texts with one.
    pub prefix: String,
    pub place: Place,
}

/// How many rows an entity gets.
#[derive(Debug, Clone)]
pub(crate) enum Amount {
    /// From and to.
    Rows(i64, i64),
    /// Written out.
    Catalog(CatalogFile),
    /// For each row of another entity, through this column, where that is true.
    Per { entity: String, column: String, low: i64, high: i64, restriction: Option<String> },
}

/// A column of a variant.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub kind: Kind,
    /// Probability of NULL, for a nullable one.
    pub null: Option<f64>,
    pub unique: bool,
    pub default: Option<String>,
    /// SQL that computes it.
    pub computed: Option<String>,
    pub line: usize,
}

/// What a column holds.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Ref { entity: String, restriction: Option<String> },
    Text { values: Vec<String>, max: usize },
    Enum { members: Vec<String>, weights: Vec<f64> },
    Int(i64, i64),
    Number { low: f64, high: f64, digits: u32 },
    Money { low: i64, high: i64, step: i64 },
    Date(i64, i64),
    Time { low: i64, high: i64, hours: (i64, i64), minutes: i64 },
    Bool(f64),
}

impl Column {
    /// Its type in a STRICT table.
    pub(crate) fn sql_type(&self, ids: Ids) -> &'static str {
        match self.kind {
            Kind::Ref { .. } => id_type(ids),
            Kind::Text { .. } | Kind::Enum { .. } | Kind::Date(..) | Kind::Time { .. } => "TEXT",
            Kind::Int(..) | Kind::Money { .. } | Kind::Bool(_) => "INTEGER",
            Kind::Number { .. } => "REAL",
        }
    }
}

/// Type of an id.
pub(crate) fn id_type(ids: Ids) -> &'static str {
    match ids {
        Ids::Small | Ids::Large => "INTEGER",
        Ids::Prefixed | Ids::Plain => "TEXT",
    }
}

/// Resolves and fills texts of one variant and collects what is wrong.
pub(crate) struct Resolver<'r> {
    pub model: &'r Model,
    pub variant: &'r Variant,
    pub findings: Vec<Diagnostic>,
}

impl<'r> Resolver<'r> {
    pub(crate) fn new(model: &'r Model, variant: &'r Variant) -> Self {
        Self { model, variant, findings: Vec::new() }
    }

    /// Reports something.
    pub(crate) fn wrong(&mut self, code: Code, place: &Place, line: usize, message: impl Into<String>) {
        let line = if line > 0 { line } else { place.line };
        self.findings.push(Diagnostic::new(code, &place.file, line, message));
    }

    /// Whether an item belongs to the variant.
    pub(crate) fn holds(&self, condition: &[String]) -> bool {
        self.variant.filling.holds(condition)
    }

    /// A text with its holes filled; as it is where that fails, which is reported.
    pub(crate) fn text(&mut self, place: &Place, line: usize, text: &str) -> String {
        match self.variant.filling.fill(text) {
            Ok(filled) => filled,
            Err(message) => {
                self.wrong(Code::BlueprintReference, place, line, message);
                text.to_owned()
            }
        }
    }

    /// The same for SQL, in which `datetime()` gives timestamps as packages have them.
    pub(crate) fn sql(&mut self, place: &Place, line: usize, text: &str) -> String {
        let filled = self.text(place, line, text);
        with_timestamps(filled.trim().trim_end_matches(';'))
    }

    /// The variant's entities, parents first as the blueprint lists them.
    pub(crate) fn entities(&mut self) -> IndexMap<String, Entity> {
        let model = self.model;
        for item in model.entities.values() {
            self.known_features(&item.place, &item.condition);
        }
        let mut entities = IndexMap::new();
        for (name, item) in &model.entities {
            if self.holds(&item.condition) {
                let entity = self.entity(name, item, &entities);
                entities.insert(name.clone(), entity);
            }
        }
        self.prefixes(&mut entities);
        self.references(&entities);
        entities
    }

    /// Reports features that an `if:` names and that don't exist.
    pub(crate) fn known_features(&mut self, place: &Place, condition: &[String]) {
        for feature in condition {
            let name = feature.strip_prefix('!').unwrap_or(feature);
            if !self.variant.filling.known.contains(name) {
                self.wrong(
                    Code::BlueprintReference,
                    place,
                    0,
                    format!("`if:` names the feature {name}, which doesn't exist"),
                );
            }
        }
    }

    fn entity(&mut self, name: &str, item: &Item<EntityFile>, before: &IndexMap<String, Entity>) -> Entity {
        let (file, place) = (&item.value, &item.place);
        let mut columns = IndexMap::new();
        for (column_name, column) in &file.columns {
            self.known_features(place, &column.condition.0);
            if self.holds(&column.condition.0)
                && let Some(column) = self.column(name, column_name, column, column.line, place)
            {
                columns.insert(column_name.clone(), column);
            }
        }
        if let Some(catalog) = &file.catalog {
            let told = |name: &String| file.columns.contains_key(name) || columns.contains_key(name);
            let new: Vec<_> = catalog.columns.iter().enumerate().filter(|(_, column)| !told(column)).collect();
            let inferred =
                new.into_iter().map(|(index, name)| (name.clone(), catalog_column(catalog, index, place.line)));
            columns.extend(inferred.collect::<Vec<_>>());
        }
        let has = |column: &String| columns.contains_key(column);
        let lists = |lists: &[Vec<String>]| lists.iter().filter(|list| list.iter().all(has)).cloned().collect();
        let (unique, indexes) = (lists(&file.unique), lists(&file.index));
        let amount = self.amount(name, file, place, &columns, before);
        let mut filled = |text: &crate::package::files::At<String>| self.sql(place, text.line, text);
        Entity {
            name: name.to_owned(),
            table: table_of(name, file),
            label: file.label.clone(),
            private: match (&file.private, &file.owner) {
                (Some(condition), _) => Some(filled(condition)),
                (None, Some(owner)) => Some(format!("{} = :actor", owner.value)),
                (None, None) => None,
            },
            owner: file.owner.as_ref().map(|owner| owner.value.clone()),
            history: file.history,
            key: file.key.clone(),
            checks: file.check.iter().map(&mut filled).collect(),
            unique,
            indexes,
            amount,
            lifecycle: file.lifecycle.clone().unwrap_or_else(|| "status".to_owned()),
            moves: file.moves.iter().map(|(name, moved)| (name.clone(), moved.value.clone())).collect(),
            prefix: String::new(),
            columns,
            place: place.clone(),
        }
    }

    fn amount(
        &mut self,
        name: &str,
        file: &EntityFile,
        place: &Place,
        columns: &IndexMap<String, Column>,
        before: &IndexMap<String, Entity>,
    ) -> Amount {
        if let Some(catalog) = &file.catalog {
            let width = catalog.columns.len();
            for row in catalog.rows.iter().filter(|row| row.len() != width) {
                let message = format!("{name}: the catalog has {width} columns and this row {} values", row.len());
                self.wrong(Code::BlueprintInvalid, place, row.line, message);
            }
            return Amount::Catalog(catalog.clone());
        }
        if let Some(per) = &file.per {
            let range = per.iter().find_map(|(entity, value)| {
                let range = value.as_array()?;
                Some((entity.clone(), range.first()?.as_i64()?, range.get(1)?.as_i64()?))
            });
            let option = |key: &str| per.get(key).and_then(Value::as_str).map(str::to_owned);
            if let Some((entity, low, high)) = range {
                let refers = |column: &Column| matches!(&column.kind, Kind::Ref { entity: to, .. } if *to == entity);
                let found = columns.iter().find(|(_, column)| refers(column)).map(|(name, _)| name.clone());
                let restriction = option("where").map(|sql| self.sql(place, per.line, &sql));
                if let (Some(column), true) = (option("column").or(found), before.contains_key(&entity)) {
                    return Amount::Per { entity, column, low, high, restriction };
                }
                let message = format!("{name}: `per` names {entity}: it needs an entity above with a `ref` to it here");
                self.wrong(Code::BlueprintReference, place, per.line, message);
            } else {
                self.wrong(
                    Code::BlueprintInvalid,
                    place,
                    per.line,
                    format!("{name}: write `per` as {{entity: [1, 3]}}"),
                );
            }
            return Amount::Rows(0, 0);
        }
        let (low, high) = file.rows.unwrap_or((0, 0));
        if file.rows.is_none() {
            self.wrong(
                Code::BlueprintInvalid,
                place,
                0,
                format!("{name} has none of rows, catalog and per; write rows: [0, 0] for none"),
            );
        }
        Amount::Rows(low, high)
    }

    fn column(&mut self, entity: &str, name: &str, file: &ColumnFile, line: usize, place: &Place) -> Option<Column> {
        let kinds = self.kinds(file, place, line);
        let count = kinds.len();
        let Some(kind) = kinds.into_iter().next().filter(|_| count == 1) else {
            let message = format!(
                "{entity}.{name} has {count} kinds; a column is one of ref, text, enum, int, number, money, date, time, bool"
            );
            self.wrong(Code::BlueprintInvalid, place, line, message);
            return None;
        };
        if let Kind::Text { values, .. } = &kind {
            for pattern in values.iter().filter(|value| value.contains('{')) {
                if let Err(message) = lexicon::check(pattern) {
                    self.wrong(Code::BlueprintInvalid, place, line, format!("{entity}.{name}: {message}"));
                }
            }
        }
        let computed = file.computed.as_ref().map(|sql| self.sql(place, sql.line, sql));
        let default = file.default.as_ref().map(|value| match value {
            Value::String(text) => self.sql(place, line, text),
            Value::Bool(flag) => i64::from(*flag).to_string(),
            other => other.to_string(),
        });
        Some(Column { kind, null: file.null, unique: file.unique, default, computed, line })
    }

    fn kinds(&mut self, file: &ColumnFile, place: &Place, line: usize) -> Vec<Kind> {
        let days = |days: DaysFile| match days {
            DaysFile::Range(low, high) => (low, high),
            DaysFile::Any(_) => (-30, 0),
        };
        let mut kinds = Vec::new();
        if let Some(entity) = &file.reference {
            let restriction = file.restriction.as_ref().map(|sql| self.sql(place, sql.line, sql));
            kinds.push(Kind::Ref { entity: entity.clone(), restriction });
        }
        if let Some(texts) = &file.text {
            let values = texts.0.iter().map(|text| self.text(place, line, text)).collect();
            kinds.push(Kind::Text { values, max: file.max.unwrap_or(TEXT_LENGTH_MAX) });
        }
        if let Some(members) = &file.members {
            kinds.push(Kind::Enum { members: members.clone(), weights: file.weights.clone() });
        }
        if let Some((low, high)) = file.int {
            kinds.push(Kind::Int(low, high));
        }
        if let Some((low, high)) = file.number {
            kinds.push(Kind::Number { low, high, digits: file.digits.unwrap_or(1) });
        }
        if let Some((low, high)) = file.money {
            kinds.push(Kind::Money { low, high, step: file.step.unwrap_or(5).max(1) });
        }
        if let Some(range) = file.date {
            let (low, high) = days(range);
            kinds.push(Kind::Date(low, high));
        }
        if let Some(range) = file.time {
            let (low, high) = days(range);
            let minutes = file.minutes.unwrap_or(5).max(1);
            kinds.push(Kind::Time { low, high, hours: file.hours.unwrap_or((7, 21)), minutes });
        }
        if let Some(probability) = file.bool {
            kinds.push(Kind::Bool(probability));
        }
        kinds
    }

    /// A short beginning for the ids of each entity, different from all others.
    fn prefixes(&mut self, entities: &mut IndexMap<String, Entity>) {
        let mut taken: Vec<String> = Vec::new();
        for entity in entities.values_mut() {
            let letters: String = entity.name.chars().filter(char::is_ascii_lowercase).collect();
            let last = entity.name.rsplit('_').next().unwrap_or_default();
            let mut candidates = vec![last.chars().take(3).collect::<String>(), letters.chars().take(3).collect()];
            candidates.extend((4..=letters.len()).map(|length| letters.chars().take(length).collect()));
            let free = candidates.into_iter().find(|candidate| !taken.contains(candidate));
            entity.prefix = free.unwrap_or_else(|| format!("{letters}{}", taken.len()));
            taken.push(entity.prefix.clone());
        }
    }

    fn references(&mut self, entities: &IndexMap<String, Entity>) {
        for entity in entities.values() {
            for (name, column) in &entity.columns {
                if let Kind::Ref { entity: to, .. } = &column.kind
                    && !entities.contains_key(to)
                {
                    let exists = if self.model.entities.contains_key(to) {
                        "is missing in some variants: give the column the same `if:`"
                    } else {
                        "doesn't exist"
                    };
                    self.wrong(
                        Code::BlueprintReference,
                        &entity.place,
                        column.line,
                        format!("{}.{name} refers to the entity {to}, which {exists}", entity.name),
                    );
                }
            }
            if let Some(owner) = &entity.owner
                && !entity.columns.contains_key(owner)
            {
                self.wrong(
                    Code::BlueprintReference,
                    &entity.place,
                    0,
                    format!("{}: owner names the column {owner}, which doesn't exist", entity.name),
                );
            }
        }
    }
}

/// A column that only a catalog names: its kind is seen from the values.
fn catalog_column(catalog: &CatalogFile, index: usize, line: usize) -> Column {
    let values: Vec<&Value> = catalog.rows.iter().filter_map(|row| row.get(index)).collect();
    let all = |is: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
    let whole = || values.iter().filter_map(|value| value.as_i64());
    let bounds = (whole().min().unwrap_or_default(), whole().max().unwrap_or_default());
    let kind = if all(Value::is_boolean) {
        Kind::Bool(0.5)
    } else if all(Value::is_i64) && catalog.columns[index].ends_with("_cents") {
        Kind::Money { low: bounds.0, high: bounds.1, step: 5 }
    } else if all(Value::is_i64) {
        Kind::Int(bounds.0, bounds.1)
    } else if all(Value::is_number) {
        Kind::Number { low: 0.0, high: 0.0, digits: 2 }
    } else {
        Kind::Text { values: Vec::new(), max: TEXT_LENGTH_MAX }
    };
    let null = values.iter().any(|value| value.is_null()).then_some(0.0);
    Column { kind, null, unique: false, default: None, computed: None, line }
}

/// `datetime(...)` as packages write timestamps: with T and Z, so that texts compare as times do.
pub(crate) fn with_timestamps(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find("datetime(") {
        let boundary = !rest[..start].ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
        out.push_str(&rest[..start]);
        out.push_str(if boundary { "strftime('%Y-%m-%dT%H:%M:%SZ', " } else { "datetime(" });
        rest = &rest[start + "datetime(".len()..];
    }
    out.push_str(rest);
    out
}
