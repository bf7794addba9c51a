//! Blueprint and variant to the files of a package, without its tasks.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::civil::date;
use serde_json::{Map, Value, json};

use super::data::{self, Clock};
use super::emit;
use super::model::{Item, Model};
use super::schema;
use super::tools::{self, ToolOut};
use super::variant::Variant;
use super::world::{Entity, Resolver};
use crate::package::diagnostic::{Code, Diagnostic};

/// Version of the synthesizer: raised where the same inputs give other bytes.
pub(crate) const VERSION: u32 = 1;

/// A variant, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Name of the environment.
    pub name: String,
    pub environment: String,
    pub schema: String,
    pub data: String,
    pub tools_text: String,
    pub tools: Vec<ToolOut>,
    /// Names of tools in this variant by the names that plans use.
    pub names: BTreeMap<String, String>,
    pub entities: IndexMap<String, Entity>,
    /// Table of the actors.
    pub actors: String,
    /// Inputs (tool, input) that the blueprint has and this variant leaves out.
    pub optional_inputs: BTreeSet<(String, String)>,
    pub clock: Clock,
    pub findings: Vec<Diagnostic>,
}

/// Compiles a variant.
pub(crate) fn compile(model: &Model, variant: &Variant) -> Compiled {
    let mut resolver = Resolver::new(model, variant);
    let clock = clock(variant);
    let entities = resolver.entities();
    let data = data::generate(&mut resolver, &entities, clock);
    let (tools, names) = tools::compile(&mut resolver, &entities);
    let name = format!("{}_{:02}", model.name, variant.number + 1);
    let environment = environment(&mut resolver, &name, &entities, &names, clock);
    let tools_text = emit::document(&Value::Array(tools.iter().map(ToolOut::to_value).collect()));
    Compiled {
        name,
        environment,
        schema: schema::schema(&entities, variant.style.ids),
        data,
        tools_text,
        tools,
        names,
        actors: entities.get(&model.header.actor.value).map_or(String::new(), |entity| entity.table.clone()),
        optional_inputs: absent_inputs(&resolver),
        entities,
        clock,
        findings: resolver.findings,
    }
}

/// Inputs and filters whose features the variant lacks.
fn absent_inputs(resolver: &Resolver<'_>) -> BTreeSet<(String, String)> {
    use super::blueprint::files::TextOr;
    let mut absent = BTreeSet::new();
    for (name, item) in &resolver.model.tools {
        let inputs = item.value.inputs.iter().map(|(input, spec)| (input, &spec.condition.0));
        let filters = item.value.filters.iter().filter_map(|(filter, spec)| match &spec.value {
            TextOr::Full(spec) => Some((filter, &spec.condition.0)),
            TextOr::Text(_) => None,
        });
        for (input, condition) in inputs.chain(filters) {
            if !resolver.holds(condition) {
                absent.insert((name.clone(), input.clone()));
            }
        }
    }
    absent
}

/// A weekday between 2025 and 2027, in the morning or afternoon; at least two hours before midnight.
fn clock(variant: &Variant) -> Clock {
    let mut rng = variant.rng.fork("clock");
    let mut day = date(2025, 2, 3).saturating_add(jiff::Span::new().days(rng.between(0, 700)));
    while day.weekday().to_monday_one_offset() > 5 {
        day = day.saturating_add(jiff::Span::new().days(1));
    }
    let hour = i8::try_from(rng.between(8, 16)).unwrap_or(9);
    let minute = i8::try_from(rng.between(0, 11) * 5).unwrap_or(0);
    Clock { now: day.at(hour, minute, 0, 0) }
}

fn environment(
    resolver: &mut Resolver<'_>,
    name: &str,
    entities: &IndexMap<String, Entity>,
    names: &BTreeMap<String, String>,
    clock: Clock,
) -> String {
    let model = resolver.model;
    let header = &model.header;
    let place = super::model::Place { file: model.file.clone(), line: 1, module: None };
    let missing = [
        ("summary", header.summary.is_empty()),
        ("domain", header.domain.is_empty()),
        ("about", header.about.is_empty()),
        ("actor", header.actor.is_empty()),
        ("title", header.title.0.is_empty()),
    ];
    for (key, _) in missing.iter().filter(|(_, missing)| *missing) {
        resolver.wrong(Code::BlueprintInvalid, &place, 1, format!("`{key}` is missing"));
    }
    let title = resolver.variant.rng.fork("title").pick(&header.title.0).cloned().unwrap_or_default();
    let about = resolver.text(&place, header.about.line, &header.about);
    let about = super::words::replace_words(&about, |word| names.get(word).cloned());
    let summary = resolver.text(&place, header.summary.line, &header.summary);
    let mut file = Map::new();
    file.insert("name".to_owned(), Value::from(name));
    file.insert("title".to_owned(), Value::from(title));
    file.insert("summary".to_owned(), Value::from(summary));
    file.insert("domain".to_owned(), Value::from(header.domain.value.as_str()));
    file.insert("family".to_owned(), Value::from(model.name.as_str()));
    let lines: Vec<&str> = about.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    file.insert("instructions".to_owned(), Value::from(format!("{}\n", lines.join("\n"))));
    file.insert("clock".to_owned(), Value::from(clock.text()));
    file.insert("actors".to_owned(), actors(resolver, entities, &place));
    let private: Map<String, Value> = entities
        .values()
        .filter_map(|entity| {
            let own = entity.private.clone()?;
            let entry = entity.owner.clone().filter(|owner| own == format!("{owner} = :actor")).unwrap_or(own);
            Some((entity.table.clone(), Value::from(entry)))
        })
        .collect();
    if !private.is_empty() {
        file.insert("private".to_owned(), Value::Object(private));
    }
    let history: Vec<&str> =
        entities.values().filter(|entity| entity.history).map(|entity| entity.table.as_str()).collect();
    if !history.is_empty() {
        file.insert("history".to_owned(), json!(history));
    }
    let invariants = invariants(resolver, clock);
    if !invariants.is_empty() {
        file.insert("invariants".to_owned(), Value::Array(invariants));
    }
    emit::document(&Value::Object(file))
}

/// Who acts; by default the first, whom the planner replaces by the one with most to do.
fn actors(resolver: &mut Resolver<'_>, entities: &IndexMap<String, Entity>, place: &super::model::Place) -> Value {
    let header = &resolver.model.header;
    let actor = header.actor.value.clone();
    let Some(entity) = entities.get(&actor) else {
        let line = header.actor.line;
        resolver.wrong(
            Code::BlueprintReference,
            place,
            line,
            format!("`actor` names the entity {actor}, which doesn't exist"),
        );
        return Value::Null;
    };
    let label = entity.label.clone().unwrap_or_else(|| "id".to_owned());
    json!({"table": entity.table, "id": "id", "name": label, "default": DEFAULT_ACTOR})
}

/// Stands for the default actor until the rows are known.
pub(crate) const DEFAULT_ACTOR: &str = "DEFAULT_ACTOR";

fn invariants(resolver: &mut Resolver<'_>, clock: Clock) -> Vec<Value> {
    let model = resolver.model;
    let held: Vec<&Item<_>> = model.invariants.iter().filter(|item| resolver.holds(&item.condition)).collect();
    let mut invariants = Vec::new();
    for item in held {
        let sql = resolver.sql(&item.place, item.value.sql.line, &item.value.sql);
        let name = resolver.text(&item.place, 0, &item.value.name);
        invariants.push(json!({"name": name, "sql": clock.fill(&sql)}));
    }
    invariants
}
