//! A blueprint with its modules put in: what variants are made of.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use super::blueprint::files::{
    BlueprintFile, DataFile, EntityFile, FeatureFile, IntentFile, InvariantFile, RightFile, TextOr, ToolFile, UseFile,
};
use super::blueprint::{Library, Source};
use super::template::with_parameters;
use super::words::plural;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::At;

/// Where an item was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, as findings name it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The module, for items of one.
    pub module: Option<String>,
}

/// Something in a model, with the features it needs.
#[derive(Debug, Clone)]
pub(crate) struct Item<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub place: Place,
    /// Features it belongs to, those of its module's use included.
    pub condition: Vec<String>,
}

/// A blueprint with its modules.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// Its name.
    pub name: String,
    /// The blueprint's own header.
    pub header: BlueprintFile,
    /// The file, as findings name it.
    pub file: String,
    /// Constants to choose from.
    pub constants: BTreeMap<String, Vec<Value>>,
    /// Features there are.
    pub features: IndexMap<String, Item<FeatureFile>>,
    /// Modules by the feature that brings them.
    pub modules: BTreeMap<String, String>,
    pub entities: IndexMap<String, Item<EntityFile>>,
    pub data: Vec<Item<DataFile>>,
    pub invariants: Vec<Item<InvariantFile>>,
    pub rights: IndexMap<String, Item<RightFile>>,
    pub tools: IndexMap<String, Item<ToolFile>>,
    pub intents: IndexMap<String, Item<IntentFile>>,
}

/// Name of an entity's table.
pub(crate) fn table_of(name: &str, entity: &EntityFile) -> String {
    entity.table.clone().unwrap_or_else(|| plural(name))
}

impl Model {
    /// Puts a blueprint together with the modules it uses; none where a file can't be read as one.
    pub(crate) fn build(library: &Library, source: &Source, findings: &mut Vec<Diagnostic>) -> Option<Self> {
        let header = source.parse(findings)?;
        let mut model = Self::empty(source, header.clone());
        if header.blueprint.as_ref().is_none_or(|name| name.value != source.name) {
            let message = format!("the file is {}.yaml, so `blueprint:` must be {}", source.name, source.name);
            findings.push(Diagnostic::new(Code::BlueprintInvalid, &source.file, 1, message));
        }
        model.take_in(&header, &source.file, None, &[], findings);
        for using in &header.uses {
            model.use_module(library, using, findings);
        }
        Some(model)
    }

    fn empty(source: &Source, header: BlueprintFile) -> Self {
        Self {
            name: source.name.clone(),
            header,
            file: source.file.clone(),
            constants: BTreeMap::new(),
            features: IndexMap::new(),
            modules: BTreeMap::new(),
            entities: IndexMap::new(),
            data: Vec::new(),
            invariants: Vec::new(),
            rights: IndexMap::new(),
            tools: IndexMap::new(),
            intents: IndexMap::new(),
        }
    }

    fn use_module(&mut self, library: &Library, using: &At<UseFile>, findings: &mut Vec<Diagnostic>) {
        let wrong = |message: String| Diagnostic::new(Code::BlueprintReference, &self.file, using.line, message);
        let Some(module) = library.module(&using.module) else {
            let known = library.module_names().join(", ");
            findings.push(wrong(format!("there is no module {}; there are: {known}", using.module)));
            return;
        };
        let Some(declared) = module.parse(&mut Vec::new()).map(|file| file.params).or_else(|| module.params()) else {
            findings.push(wrong(format!("the module {} can't be read", using.module)));
            return;
        };
        let mut parameters = BTreeMap::new();
        for parameter in &declared {
            let Some(value) = using.arguments.get(&parameter.value) else {
                findings.push(wrong(format!("the module {} needs the parameter {}", using.module, parameter.value)));
                return;
            };
            parameters.insert(parameter.value.clone(), value.clone());
            parameters.extend(self.of_entity(&parameter.value, value));
            let list = format!("{}.list", parameter.value);
            if module.text.contains(&format!("{{{{{list}}}}}")) && !parameters.contains_key(&list) {
                let message = format!(
                    "the module {} needs a tool that lists {value}: one with `list:` whose `from:` begins with its table, in every variant",
                    using.module
                );
                findings.push(wrong(message));
                return;
            }
        }
        if let Some(unknown) = using.arguments.keys().find(|name| !declared.iter().any(|known| &known.value == *name)) {
            findings.push(wrong(format!("the module {} has no parameter {unknown}", using.module)));
        }
        let instance = Source {
            name: module.name.clone(),
            file: module.file.clone(),
            text: with_parameters(&module.text, &parameters),
        };
        let Some(file) = instance.parse(findings) else { return };
        let subject = using.arguments.values().next().filter(|_| using.arguments.len() > 1);
        let feature = subject.map_or(using.module.clone(), |subject| format!("{}_{subject}", using.module));
        let condition = if using.condition.0.is_empty() {
            let place = Place { file: self.file.clone(), line: using.line, module: None };
            let item = Item { value: FeatureFile::default(), place, condition: Vec::new() };
            self.features.insert(feature.clone(), item);
            vec![feature.clone()]
        } else {
            using.condition.0.clone()
        };
        for feature in condition.iter().filter(|feature| !feature.starts_with('!')) {
            self.modules.insert(feature.clone(), using.module.clone());
        }
        self.take_in(&file, &module.file, Some(&using.module), &condition, findings);
    }

    /// What a module may ask about an entity that one of its parameters names.
    fn of_entity(&self, parameter: &str, name: &str) -> Vec<(String, String)> {
        let Some(entity) = self.entities.get(name).map(|item| &item.value) else { return Vec::new() };
        let table = table_of(name, entity);
        let visible = match (&entity.private, &entity.owner) {
            (Some(condition), _) => format!("SELECT id FROM {table} WHERE {}", condition.trim()),
            (None, Some(owner)) => format!("SELECT id FROM {table} WHERE {} = :actor", owner.value),
            (None, None) => format!("SELECT id FROM {table}"),
        };
        let private = entity.private.is_some() || entity.owner.is_some();
        let known = [
            ("table", Some(table.clone())),
            ("label", Some(entity.label.clone().unwrap_or_else(|| "id".to_owned()))),
            ("plural", Some(plural(name))),
            ("words", Some(name.replace('_', " "))),
            ("plural_words", Some(plural(name).replace('_', " "))),
            ("visible", Some(visible)),
            ("owner", entity.owner.as_ref().map(|owner| owner.value.clone())),
            ("private", private.then(|| "1".to_owned())),
            ("list", self.list_of(&table)),
        ];
        let known = known.into_iter().filter_map(|(what, text)| Some((what, text?)));
        known.map(|(what, text)| (format!("{parameter}.{what}"), text)).collect()
    }

    /// The blueprint's first tool that lists a table.
    fn list_of(&self, table: &str) -> Option<String> {
        let lists = |tool: &ToolFile| {
            let from = tool.from.as_ref().map(|from| from.trim().to_owned()).unwrap_or_default();
            tool.list.is_some() && from.split_whitespace().next() == Some(table)
        };
        self.tools
            .iter()
            .find(|(_, item)| lists(&item.value) && item.condition.is_empty())
            .map(|(name, _)| name.clone())
    }

    /// Adds the items of a file.
    fn take_in(
        &mut self,
        file: &BlueprintFile,
        path: &str,
        module: Option<&str>,
        outer: &[String],
        findings: &mut Vec<Diagnostic>,
    ) {
        let mut taker = Taker { path, module, outer, findings };
        for (name, values) in &file.constants {
            if values.is_empty() {
                taker.wrong(values.line, format!("the constant {name} has no values to choose from"));
            }
            self.constants.insert(name.clone(), values.value.clone());
        }
        if module.is_some() && !file.about.trim().is_empty() && !self.header.about.contains(file.about.trim()) {
            let about = wrapped(file.about.trim(), outer);
            self.header.about.value = format!("{}\n{about}", self.header.about.trim_end());
        }
        taker.map(&mut self.features, &file.features, "feature", |_| &[]);
        taker.map(&mut self.entities, &file.entities, "entity", |entity| &entity.condition.0);
        taker.map(&mut self.rights, &file.rights, "right", |right| &right.condition.0);
        taker.map(&mut self.tools, &file.tools, "tool", |tool| &tool.condition.0);
        taker.map(&mut self.intents, &file.intents, "intent", |intent| &intent.condition.0);
        for statement in &file.data {
            let data = match &statement.value {
                TextOr::Text(run) => {
                    DataFile { condition: super::blueprint::files::Texts::default(), run: run.clone() }
                }
                TextOr::Full(data) => data.clone(),
            };
            let condition = data.condition.0.clone();
            self.data.push(taker.item(data, statement.line, &condition));
        }
        for invariant in &file.invariants {
            let condition = invariant.condition.0.clone();
            self.invariants.push(taker.item(invariant.value.clone(), invariant.line, &condition));
        }
    }
}

/// A text that is kept only with these features.
fn wrapped(text: &str, features: &[String]) -> String {
    features.iter().fold(text.to_owned(), |text, feature| match feature.strip_prefix('!') {
        Some(name) => format!("{{{{^{name}}}}}{text}{{{{/{name}}}}}"),
        None => format!("{{{{#{feature}}}}}{text}{{{{/{feature}}}}}"),
    })
}

/// Takes items of one file into a model.
struct Taker<'t> {
    path: &'t str,
    module: Option<&'t str>,
    outer: &'t [String],
    findings: &'t mut Vec<Diagnostic>,
}

impl Taker<'_> {
    fn item<T>(&self, value: T, line: usize, condition: &[String]) -> Item<T> {
        let place = Place { file: self.path.to_owned(), line, module: self.module.map(str::to_owned) };
        Item { value, place, condition: self.outer.iter().chain(condition).cloned().collect() }
    }

    fn map<T: Clone>(
        &mut self,
        into: &mut IndexMap<String, Item<T>>,
        from: &IndexMap<String, At<T>>,
        kind: &str,
        condition: impl Fn(&T) -> &[String],
    ) {
        for (name, value) in from {
            if let Some(known) = into.get(name).filter(|_| kind != "right" || self.module.is_none()) {
                let message = format!("the {kind} {name} is there already ({}:{})", known.place.file, known.place.line);
                self.wrong(value.line, message);
            } else if !crate::id::is_snake_case(name) {
                self.wrong(value.line, format!("the {kind} {name:?} isn't in snake_case"));
            }
            into.insert(name.clone(), self.item(value.value.clone(), value.line, condition(&value.value)));
        }
    }

    fn wrong(&mut self, line: usize, message: String) {
        self.findings.push(Diagnostic::new(Code::BlueprintInvalid, self.path, line, message));
    }
}
