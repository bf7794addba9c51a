//! A variant's tools: lists, gets and actions of the blueprint, in the variant's style.

mod action;
mod inputs;
mod list;
pub(crate) mod sql;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::blueprint::files::{ReturnFile, ToolFile};
use super::model::{Item, Model, Place};
use super::style::Ids;
use super::variant::Variant;
use super::words::{capitalised, humanise, replace_words};
use super::world::{Entity, Resolver};
use crate::package::diagnostic::Code;
use crate::package::files::At;

/// A tool as it will stand in `tools.yaml`.
#[derive(Debug, Clone)]
pub(crate) struct ToolOut {
    /// The name texts and plans of the blueprint use.
    pub canonical: String,
    /// The name in this variant.
    pub name: String,
    pub title: String,
    pub description: String,
    pub properties: Map<String, Value>,
    pub required: Vec<String>,
    pub crosses: Vec<String>,
    pub steps: Vec<StepOut>,
    pub returns: IndexMap<String, ReturnOut>,
    /// Styled names of inputs by the names that plans use, where they differ.
    pub renamed: BTreeMap<String, String>,
    /// Columns (`table.column`) whose text the agent words itself, by input.
    pub free: BTreeMap<String, String>,
    /// How the tool's list is paged; none where it isn't.
    pub paged: Option<Paged>,
    pub place: Place,
}

/// How a list is paged: what a plan must say to see the next page.
#[derive(Debug, Clone)]
pub(crate) struct Paged {
    /// Name of the list in the result.
    pub list: String,
}

/// A step as it will stand in `tools.yaml`.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepOut {
    pub when: Option<String>,
    pub guard: Option<(String, String, String)>,
    pub bind: Option<String>,
    pub run: Option<String>,
}

impl StepOut {
    pub(super) fn guard(sql: String, code: String, error: String) -> Self {
        Self { guard: Some((sql, code, error)), ..Self::default() }
    }

    pub(super) fn bind(sql: String) -> Self {
        Self { bind: Some(sql), ..Self::default() }
    }

    pub(super) fn run(sql: String) -> Self {
        Self { run: Some(sql), ..Self::default() }
    }
}

/// A member of a result.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReturnOut {
    /// `row`, `rows` or `value`, and its SQL.
    pub shape: &'static str,
    pub sql: String,
    pub optional: bool,
    pub json: Vec<String>,
    pub types: IndexMap<String, String>,
    pub value_type: Option<String>,
}

/// What tools are called, and what they know of each other.
pub(crate) struct Names<'n> {
    pub entities: &'n IndexMap<String, Entity>,
    pub ids: Ids,
    /// Names in this variant by canonical name.
    pub tools: BTreeMap<String, String>,
    /// The tool that lists an entity, by entity.
    lists: BTreeMap<String, String>,
    /// Gets: select list, FROM and types, by canonical name.
    gets: BTreeMap<String, Get>,
}

/// What a get tool selects.
#[derive(Debug, Clone)]
struct Get {
    entity: String,
    row: String,
    from: String,
    types: IndexMap<String, String>,
    json: Vec<String>,
}

impl<'n> Names<'n> {
    /// A text with canonical tool names replaced by this variant's.
    pub(crate) fn replace(&self, text: &str) -> String {
        replace_words(text, |word| self.tools.get(word).cloned())
    }

    /// What a refusal adds to help: where valid ids are found.
    fn hint(&self, entity: &Entity) -> String {
        self.lists.get(&entity.name).map_or(String::new(), |tool| format!("; {tool} shows them"))
    }

    fn not_found(&self, resolver: &Resolver<'_>, entity: &Entity, input: &str, any: bool) -> (String, String) {
        let code = format!("{}_not_found", entity.name);
        let words = humanise(&entity.name);
        let whose = if entity.private.is_some() && !any { "you have no" } else { "there is no" };
        let error = format!("{whose} {words} {{{input}}}{}", self.hint(entity));
        let error = resolver.variant.style.error(&code, &error);
        (code, error)
    }
}

/// The tools of a variant.
pub(crate) fn compile(
    resolver: &mut Resolver<'_>,
    entities: &IndexMap<String, Entity>,
) -> (Vec<ToolOut>, BTreeMap<String, String>) {
    let model = resolver.model;
    for item in model.tools.values() {
        resolver.known_features(&item.place, &item.condition);
    }
    let present: Vec<(&String, &Item<ToolFile>)> =
        model.tools.iter().filter(|(_, item)| resolver.holds(&item.condition)).collect();
    let names = names(resolver, entities, &present);
    let mut tools = Vec::with_capacity(present.len());
    for (canonical, item) in present {
        tools.push(tool(resolver, &names, canonical, item));
    }
    (tools, names.tools)
}

/// Names of a variant's tools by canonical name.
pub(crate) fn tool_names(model: &Model, variant: &Variant) -> BTreeMap<String, String> {
    let held = |item: &Item<ToolFile>| variant.filling.holds(&item.condition);
    let present: Vec<(&String, &Item<ToolFile>)> = model.tools.iter().filter(|(_, item)| held(item)).collect();
    let mut tools: BTreeMap<String, String> = BTreeMap::new();
    for (canonical, item) in &present {
        let (list, get) = (item.value.list.is_some(), item.value.get.is_some());
        let wanted = variant.style.tool_name(canonical, &item.value.names, list, get);
        // Two tools may not come to one name.
        let taken = tools.values().any(|name| *name == wanted)
            || present.iter().any(|(other, _)| **other == wanted && other != canonical);
        tools.insert((*canonical).clone(), if taken { (*canonical).clone() } else { wanted });
    }
    tools
}

fn names<'n>(
    resolver: &mut Resolver<'_>,
    entities: &'n IndexMap<String, Entity>,
    present: &[(&String, &Item<ToolFile>)],
) -> Names<'n> {
    let style = resolver.variant.style.clone();
    let tools = tool_names(resolver.model, resolver.variant);
    let mut names = Names { entities, ids: style.ids, tools, lists: BTreeMap::new(), gets: BTreeMap::new() };
    for (canonical, item) in present {
        let (file, place) = (&item.value, &item.place);
        if file.list.is_some()
            && let Some(from) = &file.from
            && let Some((_, entity)) = sql::aliases(&from.value, entities).first()
        {
            let name = names.tools.get(*canonical).unwrap_or(canonical).clone();
            names.lists.entry(entity.name.clone()).or_insert(name);
        }
        if let Some(entity) = &file.get {
            let get = get(resolver, entities, file, place, entity);
            names.gets.insert((*canonical).clone(), get);
        }
    }
    names
}

fn get(
    resolver: &mut Resolver<'_>,
    entities: &IndexMap<String, Entity>,
    file: &ToolFile,
    place: &Place,
    entity: &At<String>,
) -> Get {
    let table = entities.get(&entity.value).map_or(String::new(), |entity| entity.table.clone());
    let row = file.row.as_ref().map_or_else(|| "*".to_owned(), |row| resolver.sql(place, row.line, row));
    let from = file.from.as_ref().map_or(table, |from| resolver.sql(place, from.line, from));
    if file.row.is_none() {
        resolver.wrong(Code::BlueprintInvalid, place, entity.line, "a get tool needs `row`: the columns it shows");
    }
    let types = types(resolver, place, entities, &row, &from, &file.types);
    Get {
        entity: entity.value.clone(),
        row,
        from,
        types,
        json: file.json.iter().map(|name| name.value.clone()).collect(),
    }
}

/// Types as written, and those of plain boolean columns.
fn types(
    resolver: &mut Resolver<'_>,
    place: &Place,
    entities: &IndexMap<String, Entity>,
    list: &str,
    from: &str,
    written: &IndexMap<String, At<String>>,
) -> IndexMap<String, String> {
    let names: Vec<String> = sql::columns(list).into_iter().map(|(_, name)| name).collect();
    let mut types = IndexMap::new();
    for (name, kind) in written {
        // A column that this variant lacks needs no type.
        if names.contains(name) || names.iter().any(|name| name.ends_with('*')) {
            types.insert(name.clone(), resolver.text(place, kind.line, kind));
        }
    }
    for (name, kind) in sql::boolean_columns(list, from, entities) {
        types.entry(name).or_insert_with(|| kind.to_owned());
    }
    types
}

fn tool(resolver: &mut Resolver<'_>, names: &Names<'_>, canonical: &str, item: &Item<ToolFile>) -> ToolOut {
    let (file, place) = (&item.value, &item.place);
    let about = resolver.text(place, file.about.line, &file.about);
    let about = names.replace(about.split_whitespace().collect::<Vec<_>>().join(" ").as_str());
    let name = names.tools.get(canonical).map_or(canonical, String::as_str).to_owned();
    let mut out = ToolOut {
        canonical: canonical.to_owned(),
        title: capitalised(&humanise(&name)),
        name,
        description: about,
        properties: Map::new(),
        required: Vec::new(),
        crosses: Vec::new(),
        steps: Vec::new(),
        returns: IndexMap::new(),
        renamed: BTreeMap::new(),
        free: BTreeMap::new(),
        paged: None,
        place: place.clone(),
    };
    let private =
        |table: &String| names.entities.values().any(|entity| entity.table == *table && entity.private.is_some());
    out.crosses = file.crosses.0.iter().filter(|table| private(table)).cloned().collect();
    if let Some(right) = &file.who {
        out.right(resolver, right, None);
    }
    if let Some(entity) = &file.get {
        let input = super::blueprint::files::InputFile { reference: Some(entity.value.clone()), ..Default::default() };
        out.input(resolver, names, &format!("{}_id", entity.value), &input, entity.line);
    }
    for (input, spec) in &file.inputs {
        if resolver.holds(&spec.condition.0) {
            out.input(resolver, names, input, spec, spec.line);
            if let Some(column) = &spec.free {
                out.free.insert(input.clone(), resolver.text(place, spec.line, column));
            }
        }
    }
    out.steps(resolver, names, &file.steps);
    if file.list.is_some() {
        out.list(resolver, names, file);
    }
    if let Some(entity) = &file.get {
        out.member_of_get(resolver, names, &entity.value, canonical, entity.line);
    }
    for (member, spec) in &file.with {
        out.member(resolver, names, member, spec, spec.line);
    }
    out.returned(resolver, names, file);
    if out.returns.is_empty() {
        resolver.wrong(Code::BlueprintInvalid, place, 0, format!("{canonical} returns nothing"));
    }
    out
}

impl ToolOut {
    /// The row of a get tool as a member of this tool's result, named after the entity.
    fn member_of_get(
        &mut self,
        resolver: &mut Resolver<'_>,
        names: &Names<'_>,
        member: &str,
        canonical: &str,
        line: usize,
    ) {
        let Some(get) = names.gets.get(canonical) else {
            let place = self.place.clone();
            resolver.wrong(
                Code::BlueprintReference,
                &place,
                line,
                format!("{}: {canonical} is no get tool of this variant", self.canonical),
            );
            return;
        };
        let main =
            sql::aliases(&get.from, names.entities).first().map_or(String::new(), |(alias, _)| format!("{alias}."));
        let member_sql = format!("SELECT {} FROM {} WHERE {main}id = :{}_id", get.row, get.from, get.entity);
        let out = ReturnOut {
            shape: "row",
            sql: member_sql,
            types: get.types.clone(),
            json: get.json.clone(),
            ..ReturnOut::default()
        };
        self.returns.insert(member.to_owned(), out);
    }

    fn member(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, member: &str, spec: &ReturnFile, line: usize) {
        if !resolver.holds(&spec.condition.0) {
            return;
        }
        let place = self.place.clone();
        let shapes = [("row", &spec.row), ("rows", &spec.rows), ("value", &spec.value)];
        let Some((shape, text)) = shapes.iter().find_map(|(shape, text)| text.as_ref().map(|text| (*shape, text)))
        else {
            resolver.wrong(
                Code::BlueprintInvalid,
                &place,
                line,
                format!("{}: {member} has none of row, rows and value", self.canonical),
            );
            return;
        };
        let statement = resolver.sql(&place, text.line, text);
        let parts = sql::select_parts(&statement);
        let types = match parts {
            Some((list, from)) if shape != "value" => types(resolver, &place, names.entities, list, from, &spec.types),
            _ => spec.types.iter().map(|(name, kind)| (name.clone(), kind.value.clone())).collect(),
        };
        self.returns.insert(
            member.to_owned(),
            ReturnOut {
                shape,
                sql: statement,
                optional: spec.optional,
                json: spec.json.iter().map(|name| name.value.clone()).collect(),
                types,
                value_type: spec.value_type.as_ref().map(|kind| kind.value.clone()),
            },
        );
    }

    fn returned(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, file: &ToolFile) {
        use super::blueprint::files::TextOr;
        for (member, spec) in &file.returns {
            match &spec.value {
                TextOr::Text(get) => self.member_of_get(resolver, names, member, get, spec.line),
                TextOr::Full(full) => self.member(resolver, names, member, full, spec.line),
            }
        }
    }

    /// Its entry of `tools.yaml` as JSON, in the order a person reads it.
    pub(crate) fn to_value(&self) -> Value {
        let mut schema = json!({"type": "object", "properties": self.properties});
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        let mut tool =
            json!({"name": self.name, "title": self.title, "description": self.description, "inputSchema": schema});
        if !self.crosses.is_empty() {
            tool["crosses"] = json!(self.crosses);
        }
        if !self.steps.is_empty() {
            tool["program"] = self.steps.iter().map(StepOut::to_value).collect();
        }
        let returns: Map<String, Value> =
            self.returns.iter().map(|(name, member)| (name.clone(), member.to_value())).collect();
        tool["returns"] = Value::Object(returns);
        tool
    }
}

impl StepOut {
    fn to_value(&self) -> Value {
        let mut step = Map::new();
        let mut put = |key: &str, text: &str| step.insert(key.to_owned(), Value::from(text));
        if let Some(when) = &self.when {
            put("when", when);
        }
        if let Some((sql, code, error)) = &self.guard {
            put("guard", sql);
            put("code", code);
            put("error", error);
        }
        if let Some(sql) = &self.bind {
            put("let", sql);
        }
        if let Some(sql) = &self.run {
            put("run", sql);
        }
        Value::Object(step)
    }
}

impl ReturnOut {
    fn to_value(&self) -> Value {
        let mut member = Map::new();
        member.insert(self.shape.to_owned(), Value::from(self.sql.as_str()));
        if self.optional {
            member.insert("optional".to_owned(), Value::Bool(true));
        }
        if !self.json.is_empty() {
            member.insert("json".to_owned(), json!(self.json));
        }
        if !self.types.is_empty() {
            member.insert("types".to_owned(), json!(self.types));
        }
        if let Some(kind) = &self.value_type {
            member.insert("type".to_owned(), Value::from(kind.as_str()));
        }
        Value::Object(member)
    }
}
