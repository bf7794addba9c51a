//! Inputs of tools: JSON Schema properties, and the guards that come with them.

use serde_json::{Map, Value, json};

use super::super::blueprint::files::{InputFile, Side, WhenFile};
use super::super::model::Place;
use super::super::words::{article, humanise};
use super::super::world::{Entity, Kind, Resolver, id_type};
use super::{Names, StepOut, ToolOut};
use crate::package::diagnostic::Code;

/// Most elements of a list that doesn't say.
const ITEMS_MAX: u32 = 20;

impl ToolOut {
    /// Adds an input with its guards.
    pub(super) fn input(
        &mut self,
        resolver: &mut Resolver<'_>,
        names: &Names<'_>,
        name: &str,
        file: &InputFile,
        line: usize,
    ) {
        let place = self.place.clone();
        let Some(mut property) = property(resolver, names, &place, line, name, file) else { return };
        let about = file.about.as_ref().map(|about| {
            let filled = resolver.text(&place, about.line, about);
            names.replace(&filled)
        });
        if let Some(about) = about.or_else(|| described(file, name)) {
            property.insert("description".to_owned(), Value::from(about));
        } else {
            resolver.wrong(
                Code::BlueprintInvalid,
                &place,
                line,
                format!("{}: the input {name} needs an `about`", self.canonical),
            );
        }
        if let Some(default) = &file.default {
            let filled = default.as_str().map(|text| Value::from(resolver.text(&place, line, text)));
            let default = filled.unwrap_or_else(|| default.clone());
            property.insert("default".to_owned(), as_number(default, property.get("type")));
        } else if !file.optional && file.bool.is_none() {
            self.required.push(name.to_owned());
        }
        self.properties.insert(name.to_owned(), Value::Object(property));
        self.guards_of(resolver, names, name, file, line);
    }

    fn guards_of(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, name: &str, file: &InputFile, line: usize) {
        let when = (file.optional && file.default.is_none()).then(|| format!("SELECT :{name} IS NOT NULL"));
        if file.check != Some(false)
            && let Some(entity) = file.reference.as_ref().and_then(|entity| names.entities.get(entity))
        {
            let condition = visible(entity, file.any);
            let guard = format!("SELECT 1 FROM {} WHERE id = :{name}{condition}", entity.table);
            let (code, error) = names.not_found(resolver, entity, name, file.any);
            self.steps.push(StepOut { when: when.clone(), ..StepOut::guard(guard, code, error) });
        }
        if let Some(list) = &file.list
            && list.check != Some(false)
            && let Some(entity) = list.reference.as_ref().and_then(|entity| names.entities.get(entity))
        {
            let condition = visible(entity, list.any);
            let guard = format!(
                "SELECT NOT EXISTS (SELECT 1 FROM json_each(:{name}) AS wanted WHERE NOT EXISTS (SELECT 1 FROM {} WHERE id = wanted.value{condition}))",
                entity.table
            );
            let words = humanise(&entity.name);
            let error = format!(
                "not all of these are ids of {}{}",
                if entity.private.is_some() && !list.any { "your " } else { "" },
                super::super::words::plural(&words)
            );
            let code = format!("{}_not_found", entity.name);
            let error = resolver.variant.style.error(&code, &format!("{error}{}", names.hint(entity)));
            self.steps.push(StepOut { when: when.clone(), ..StepOut::guard(guard, code, error) });
        }
        let side = |when: Option<WhenFile>| match when {
            Some(WhenFile::Only(side)) => Some(side),
            _ => None,
        };
        let bounds = [(side(file.date), "date(:now)"), (side(file.time), ":now")];
        for (side, now) in bounds {
            let Some(side) = side else { continue };
            let (operator, code, words) = match side {
                Side::Past => ("<=", "in_future", "not be in the future"),
                Side::Future => (">=", "in_past", "not be in the past"),
            };
            let code = format!("{name}_{code}");
            let error = resolver.variant.style.error(&code, &format!("{name} ({{{name}}}) must {words}"));
            self.steps.push(StepOut {
                when: when.clone(),
                ..StepOut::guard(format!("SELECT :{name} {operator} {now}"), code, error)
            });
        }
        let _ = line;
    }
}

/// The condition under which an entity's rows are the actor's to name.
fn visible(entity: &Entity, any: bool) -> String {
    match &entity.private {
        Some(condition) if !any => format!(" AND ({condition})"),
        _ => String::new(),
    }
}

/// What an input is where nobody says.
fn described(file: &InputFile, name: &str) -> Option<String> {
    if let Some(entity) = &file.reference {
        let words = humanise(entity);
        return Some(format!("Id of the {words}"));
    }
    if let Some(list) = &file.list {
        return list
            .reference
            .as_ref()
            .map(|entity| format!("Ids of the {}", humanise(&super::super::words::plural(entity))));
    }
    let words = humanise(name);
    let text = match () {
        () if file.date.is_some() => format!("{} (YYYY-MM-DD)", super::super::words::capitalised(&words)),
        () if file.time.is_some() => {
            format!("{} (UTC, such as 2026-03-20T19:00:00Z)", super::super::words::capitalised(&words))
        }
        () if file.money.is_some() => {
            format!("{} in cents", super::super::words::capitalised(words.trim_end_matches(" cents")))
        }
        () if file.members.is_some() => format!("{} {}", super::super::words::capitalised(article(&words)), words),
        () if file.text.is_some() || file.int.is_some() || file.number.is_some() => {
            super::super::words::capitalised(&words)
        }
        () => return None,
    };
    Some(text)
}

fn property(
    resolver: &mut Resolver<'_>,
    names: &Names<'_>,
    place: &Place,
    line: usize,
    name: &str,
    file: &InputFile,
) -> Option<Map<String, Value>> {
    let ids = names.ids;
    let mut kinds: Vec<Value> = Vec::new();
    if let Some(entity) = &file.reference {
        let Some(entity) = names.entities.get(entity) else {
            resolver.wrong(
                Code::BlueprintReference,
                place,
                line,
                format!("the input {name} refers to the entity {entity}, which this variant doesn't have"),
            );
            return None;
        };
        let by_name = name.strip_suffix("_id").is_some_and(|thing| super::super::words::plural(thing) == entity.table);
        let mut property = json!({"type": if id_type(ids) == "INTEGER" { "integer" } else { "string" }});
        if id_type(ids) == "TEXT" {
            property["minLength"] = Value::from(1);
            property["maxLength"] = Value::from(40);
        }
        if !by_name {
            property["x-from"] = Value::from(format!("{}.id", entity.table));
        }
        kinds.push(property);
    }
    if let Some(length) = file.text {
        kinds.push(json!({"type": "string", "minLength": 1, "maxLength": length, "pattern": "\\S"}));
    }
    if let Some((low, high)) = file.int.or(file.money) {
        kinds.push(json!({"type": "integer", "minimum": low, "maximum": high}));
    }
    if let Some((low, high)) = file.number {
        kinds.push(json!({"type": "number", "minimum": low, "maximum": high}));
    }
    if file.date.is_some() {
        kinds.push(json!({"type": "string", "format": "date"}));
    }
    if file.time.is_some() {
        kinds.push(
            json!({"type": "string", "format": "date-time", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$"}),
        );
    }
    if let Some(members) = &file.members {
        let members = enum_members(resolver, names, place, line, name, &members.0);
        kinds.push(json!({"type": "string", "enum": members}));
    }
    if let Some(default) = file.bool {
        kinds.push(if file.optional {
            json!({"type": "boolean"})
        } else {
            json!({"type": "boolean", "default": default})
        });
    }
    if let Some(element) = &file.list {
        kinds.push(list_property(resolver, names, place, line, name, (element, file.items))?);
    }
    let count = kinds.len();
    let Some(Value::Object(mut property)) = kinds.into_iter().next().filter(|_| count == 1) else {
        resolver.wrong(Code::BlueprintInvalid, place, line, format!("the input {name} has {count} kinds; an input is one of ref, text, int, number, money, date, time, enum, bool, list"));
        return None;
    };
    if let Some(source) = &file.from {
        property.insert("x-from".to_owned(), Value::from(resolver.text(place, line, source)));
    }
    Some(property)
}

/// A list of values, by one of them and how many there may be.
fn list_property(
    resolver: &mut Resolver<'_>,
    names: &Names<'_>,
    place: &Place,
    line: usize,
    name: &str,
    (element, items): (&InputFile, Option<(u32, u32)>),
) -> Option<Value> {
    let mut one = property(resolver, names, place, line, name, element)?;
    let (least, most) = items.unwrap_or((1, ITEMS_MAX));
    let told = one.remove("x-from");
    let entity = || names.entities.get(element.reference.as_ref()?);
    let source = told.or_else(|| entity().map(|entity| Value::from(format!("{}.id", entity.table))));
    let mut list = json!({"type": "array", "items": one, "minItems": least, "maxItems": most, "uniqueItems": true});
    if let Some(source) = source {
        list["x-from"] = source;
    }
    Some(list)
}

/// Members as written, or those of a column.
fn enum_members(
    resolver: &mut Resolver<'_>,
    names: &Names<'_>,
    place: &Place,
    line: usize,
    name: &str,
    members: &[String],
) -> Vec<String> {
    let [source] = members else { return members.to_vec() };
    let Some((entity, column)) = source.split_once('.') else { return members.to_vec() };
    let found = names.entities.get(entity).and_then(|entity| entity.columns.get(column));
    match found.map(|column| &column.kind) {
        Some(Kind::Enum { members, .. }) => members.clone(),
        _ => {
            resolver.wrong(
                Code::BlueprintReference,
                place,
                line,
                format!("the input {name} takes the members of {source}, which is no enum column"),
            );
            Vec::new()
        }
    }
}

/// A default written as text (a constant) as the number it is.
fn as_number(value: Value, kind: Option<&Value>) -> Value {
    let wanted = kind.and_then(Value::as_str);
    match (wanted, value.as_str()) {
        (Some("integer" | "number"), Some(text)) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}
