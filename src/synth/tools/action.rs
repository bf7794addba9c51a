//! Steps of actions: guards, lets and runs as written, lifecycle moves, inserts, rights.

use indexmap::IndexMap;
use serde_json::Value;

use super::super::blueprint::files::StepFile;
use super::super::style::Ids;
use super::super::words::humanise;
use super::super::world::{Entity, Resolver};
use super::{Names, StepOut, ToolOut};
use crate::package::diagnostic::Code;
use crate::package::files::At;

impl ToolOut {
    /// Adds a tool's steps.
    pub(super) fn steps(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, steps: &[At<StepFile>]) {
        let place = self.place.clone();
        for step in steps {
            resolver.known_features(&place, &step.condition.0);
            if !resolver.holds(&step.condition.0) {
                continue;
            }
            let when = step.when.as_ref().map(|when| {
                let when = resolver.sql(&place, when.line, when);
                if when.to_uppercase().starts_with("SELECT") { when } else { format!("SELECT {when}") }
            });
            let before = self.steps.len();
            self.step(resolver, names, step);
            for added in &mut self.steps[before..] {
                added.when.clone_from(&when);
            }
        }
    }

    fn step(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, step: &At<StepFile>) {
        let place = self.place.clone();
        let sql = |resolver: &mut Resolver<'_>, text: &At<String>| resolver.sql(&place, text.line, text);
        if let Some(guard) = &step.guard {
            let (Some(code), Some(error)) =
                (&step.code, resolver.variant.style.wording(&self.canonical, &step.error.0).cloned())
            else {
                resolver.wrong(
                    Code::BlueprintInvalid,
                    &place,
                    step.line,
                    format!("{}: a guard needs `code` and `error`", self.canonical),
                );
                return;
            };
            let error = resolver.text(&place, step.line, &error);
            let error = resolver.variant.style.error(code, &names.replace(&error));
            let guard = sql(resolver, guard);
            self.steps.push(StepOut::guard(guard, code.clone(), error));
        } else if let Some(bind) = &step.bind {
            let bind = sql(resolver, bind);
            self.steps.push(StepOut::bind(bind));
        } else if let Some(run) = &step.run {
            let run = sql(resolver, run);
            self.steps.push(StepOut::run(run));
        } else if let Some(moves) = &step.moves {
            self.moved(resolver, names, moves, &step.set);
        } else if let Some(entity) = &step.insert {
            self.insert(resolver, names, entity, step);
        } else if let Some(right) = &step.right {
            self.right(resolver, right, None);
        } else {
            resolver.wrong(
                Code::BlueprintInvalid,
                &place,
                step.line,
                format!("{}: a step is one of guard, let, run, move, insert, use", self.canonical),
            );
        }
    }

    /// The guard of a right.
    pub(super) fn right(&mut self, resolver: &mut Resolver<'_>, name: &At<String>, when: Option<String>) {
        let place = self.place.clone();
        let model = resolver.model;
        let Some(right) = model.rights.get(&name.value) else {
            resolver.wrong(
                Code::BlueprintReference,
                &place,
                name.line,
                format!("{}: there is no right {}", self.canonical, name.value),
            );
            return;
        };
        let guard = resolver.sql(&right.place, right.value.sql.line, &right.value.sql);
        let error = resolver.variant.style.wording(&name.value, &right.value.error.0).cloned().unwrap_or_default();
        let error = resolver.text(&right.place, 0, &error);
        let error = resolver.variant.style.error(&right.value.code, &error);
        self.steps.push(StepOut { when, ..StepOut::guard(guard, right.value.code.clone(), error) });
    }

    /// A move of a lifecycle: refused unless in a state it starts from.
    fn moved(
        &mut self,
        resolver: &mut Resolver<'_>,
        names: &Names<'_>,
        moves: &At<String>,
        set: &IndexMap<String, At<Value>>,
    ) {
        let place = self.place.clone();
        let found = moves.split_once(' ').and_then(|(entity, name)| {
            let entity = names.entities.get(entity.trim())?;
            Some((entity, name.trim(), entity.moves.get(name.trim())?.clone()))
        });
        let Some((entity, name, moved)) = found else {
            let message = format!(
                "{}: `move` names an entity of this variant and one of its moves, as `booking cancel`, not {:?}",
                self.canonical, moves.value
            );
            resolver.wrong(Code::BlueprintReference, &place, moves.line, message);
            return;
        };
        let id = format!("{}_id", entity.name);
        let before = format!("{}_{}_before", entity.name, entity.lifecycle);
        self.steps.push(StepOut::bind(format!(
            "SELECT {} AS {before} FROM {} WHERE id = :{id}",
            entity.lifecycle, entity.table
        )));
        let states = &moved.from.0;
        let listed = states.iter().map(|state| format!("'{state}'")).collect::<Vec<_>>().join(", ");
        let code = moved.code.clone().unwrap_or_else(|| format!("{}_not_{}", entity.name, states.join("_or_")));
        let code: String = code.chars().take(56).collect();
        let code = code.trim_end_matches('_').to_owned();
        let error = match resolver.variant.style.wording(&self.canonical, &moved.error.0).cloned() {
            Some(error) => {
                let error = resolver.text(&entity.place, 0, &error);
                names.replace(&error)
            }
            None => {
                let states: Vec<String> = states.iter().map(|state| humanise(state)).collect();
                format!(
                    "to {} the {} it must be {}; this one is {{{before}}}",
                    humanise(name),
                    humanise(&entity.name),
                    states.join(" or ")
                )
            }
        };
        let error = resolver.variant.style.error(&code, &error);
        self.steps.push(StepOut::guard(format!("SELECT :{before} IN ({listed})"), code, error));
        let mut sets = vec![format!("{} = '{}'", entity.lifecycle, moved.to)];
        sets.extend(
            self.assignments(resolver, entity, set).into_iter().map(|(column, value)| format!("{column} = {value}")),
        );
        self.steps.push(StepOut::run(format!("UPDATE {} SET {} WHERE id = :{id}", entity.table, sets.join(", "))));
    }

    fn insert(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, name: &At<String>, step: &At<StepFile>) {
        let place = self.place.clone();
        let Some(entity) = names.entities.get(&name.value) else {
            resolver.wrong(
                Code::BlueprintReference,
                &place,
                name.line,
                format!("{}: there is no entity {} in this variant", self.canonical, name.value),
            );
            return;
        };
        let mut cells = self.assignments(resolver, entity, &step.set);
        for (column, spec) in &entity.columns {
            let given = cells.iter().any(|(name, _)| name == column);
            if !given && spec.null.is_none() && spec.default.is_none() {
                resolver.wrong(
                    Code::BlueprintInvalid,
                    &place,
                    step.line,
                    format!(
                        "{}: the insert into {} leaves out {column}, which can't be NULL",
                        self.canonical, entity.name
                    ),
                );
            }
        }
        let texts = matches!(names.ids, Ids::Prefixed | Ids::Plain) && entity.key.is_empty();
        let token = if names.ids == Ids::Prefixed {
            format!("'{}_' || token(8)", entity.prefix)
        } else {
            "token(10)".to_owned()
        };
        let split = |cells: &[(String, String)]| -> (String, String) {
            let columns: Vec<&str> = cells.iter().map(|(column, _)| column.as_str()).collect();
            let values: Vec<&str> = cells.iter().map(|(_, value)| value.as_str()).collect();
            (columns.join(", "), values.join(", "))
        };
        if let Some(from) = &step.from {
            if texts {
                cells.insert(0, ("id".to_owned(), token));
            }
            let (columns, values) = split(&cells);
            let from = resolver.sql(&place, from.line, from);
            self.steps
                .push(StepOut::run(format!("INSERT INTO {}({columns}) SELECT {values} FROM {from}", entity.table)));
            return;
        }
        match (&step.named, texts) {
            (Some(named), true) => {
                self.steps.push(StepOut::bind(format!("SELECT {token} AS {named}")));
                cells.insert(0, ("id".to_owned(), format!(":{named}")));
            }
            (None, true) => cells.insert(0, ("id".to_owned(), token)),
            _ => {}
        }
        let (columns, values) = split(&cells);
        self.steps.push(StepOut::run(format!("INSERT INTO {}({columns}) VALUES ({values})", entity.table)));
        if let (Some(named), false) = (&step.named, texts) {
            self.steps.push(StepOut::bind(format!("SELECT last_insert_rowid() AS {named}")));
        }
    }

    /// Columns with SQL; those that this variant lacks are left out.
    fn assignments(
        &mut self,
        resolver: &mut Resolver<'_>,
        entity: &Entity,
        set: &IndexMap<String, At<Value>>,
    ) -> Vec<(String, String)> {
        let place = self.place.clone();
        let model = resolver.model;
        let mut cells = Vec::new();
        for (column, value) in set {
            if !entity.columns.contains_key(column) {
                let known =
                    model.entities.get(&entity.name).is_some_and(|item| item.value.columns.contains_key(column));
                if !known {
                    resolver.wrong(
                        Code::BlueprintReference,
                        &place,
                        value.line,
                        format!("{}: {} has no column {column}", self.canonical, entity.name),
                    );
                }
                continue;
            }
            let text = match &value.value {
                Value::String(text) => resolver.sql(&place, value.line, text),
                Value::Bool(flag) => i64::from(*flag).to_string(),
                other => other.to_string(),
            };
            cells.push((column.clone(), text));
        }
        cells
    }
}
