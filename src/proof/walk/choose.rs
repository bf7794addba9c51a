//! Choosing the arguments of a call: valid values mostly, read from the state the call starts from, and now and then ones at a
//! boundary, of another actor, or unknown.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::corpus::{Entry, Notes, is_plural_of, single_key, singular};
use super::guide::{Input, Kind, Source, TextShape, ToolGuide};
use super::marks::is_marked;
use super::random::Random;
use super::rows::{Reader, Rows};
use super::texts;
use crate::engine::environment::Environment;
use crate::engine::snapshot::Cell;

/// Everything a choice depends on.
pub(super) struct Chooser<'c> {
    pub environment: &'c Environment,
    pub reader: &'c Reader,
    pub entry: &'c Entry,
    /// What recent calls named.
    pub notes: &'c Notes,
    /// Numbers and texts that the tool's refusals and results have mentioned.
    pub mentioned: &'c [Value],
    pub random: &'c mut Random,
    /// The last date chosen for this call, in Unix milliseconds: others are often near it.
    pub chosen_time: Option<i64>,
}

/// Rows that belong together: one, and those it refers to.
type Anchor = Vec<(usize, usize)>;

/// What sort of value is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Valid,
    Boundary,
    OtherActor,
    Unknown,
}

impl Chooser<'_> {
    /// Arguments for a call.
    pub(super) fn arguments(&mut self, guide: &ToolGuide) -> Map<String, Value> {
        let optional_percent = [0, 15, 40, 70][self.random.below(4)];
        let anchor = self.anchor(guide);
        let strays = self.random.percent(30);
        self.members(&guide.inputs, &anchor, optional_percent, strays)
    }

    /// Other arguments like these: one or two are given anew, left out or added.
    pub(super) fn mutated(&mut self, guide: &ToolGuide, base: &Map<String, Value>) -> Map<String, Value> {
        let mut arguments = base.clone();
        self.chosen_time = base.values().filter_map(Value::as_str).find_map(texts::parse_time);
        let anchor = self.anchor(guide);
        for _ in 0..=self.random.below(2) {
            let Some(input) = self.random.pick(&guide.inputs) else { break };
            if !input.required && arguments.contains_key(&input.name) && self.random.percent(30) {
                arguments.shift_remove(&input.name);
                continue;
            }
            let intent = self.intent(25);
            if let Some(value) = self.value(input, &anchor, intent) {
                arguments.insert(input.name.clone(), value);
            }
        }
        arguments
    }

    /// Every value an input can have: enumerated ones, both booleans, those of its best column in rows the actor may see; a sample
    /// of others.
    pub(super) fn every(&mut self, input: &Input) -> Vec<Value> {
        const VALUES_MAX: usize = 40;
        const SAMPLE: usize = 8;
        if let Some(members) = input.schema.get("enum").and_then(Value::as_array) {
            return members.clone();
        }
        let mut values = Vec::new();
        match (&input.kind, input.sources.first()) {
            (Kind::Boolean, _) => return vec![Value::from(false), Value::from(true)],
            (Kind::Integer | Kind::Number | Kind::Text(TextShape::Free), Some(source)) => {
                let rows = self.rows(source.0);
                let count = rows.rows.len();
                let first = self.random.below(count);
                let mine = (0..count).map(|row| (first + row) % count).filter(|row| rows.is_mine(*row));
                values.extend(mine.filter_map(|row| self.cell(*source, row)).take(VALUES_MAX));
            }
            _ => {}
        }
        let anchor = Anchor::new();
        for _ in 0..SAMPLE {
            values.extend(self.value(input, &anchor, Intent::Valid));
        }
        let mut distinct: Vec<Value> = Vec::new();
        for value in values {
            if !distinct.contains(&value) && distinct.len() < VALUES_MAX {
                distinct.push(value);
            }
        }
        distinct
    }

    fn members(
        &mut self,
        inputs: &[Input],
        anchor: &Anchor,
        optional_percent: usize,
        strays: bool,
    ) -> Map<String, Value> {
        let mut members = Map::new();
        for input in inputs {
            if !input.required && !self.random.percent(optional_percent) {
                continue;
            }
            let intent = if strays { self.intent(30) } else { Intent::Valid };
            if let Some(value) = self.value(input, anchor, intent) {
                members.insert(input.name.clone(), value);
            }
        }
        members
    }

    fn intent(&mut self, stray_percent: usize) -> Intent {
        if !self.random.percent(stray_percent) {
            return Intent::Valid;
        }
        [Intent::Boundary, Intent::OtherActor, Intent::Unknown][self.random.below(3)]
    }

    fn rows(&self, table: usize) -> Arc<Rows> {
        self.entry.rows(self.environment, self.reader, table)
    }

    /// A row that gives values to several inputs, mostly one the actor may see, with the rows it refers to.
    fn anchor(&mut self, guide: &ToolGuide) -> Anchor {
        const ANCHOR_PERCENT: usize = 75;
        let weights: usize = guide.anchors.iter().map(|(_, covered)| covered * covered).sum();
        if weights == 0 || !self.random.percent(ANCHOR_PERCENT) {
            return Anchor::new();
        }
        let mut at = self.random.below(weights);
        for (table, covered) in &guide.anchors {
            let weight = covered * covered;
            if at < weight {
                return self
                    .row(*table, Intent::Valid)
                    .map(|row| self.with_referred((*table, row)))
                    .unwrap_or_default();
            }
            at -= weight;
        }
        Anchor::new()
    }

    fn with_referred(&self, first: (usize, usize)) -> Anchor {
        const ROWS_MAX: usize = 16;
        let mut anchor = vec![first];
        let mut next = 0;
        while let Some((table, row)) = anchor.get(next).copied()
            && anchor.len() < ROWS_MAX
        {
            next += 1;
            let rows = self.rows(table);
            let Some(cells) = rows.rows.get(row) else { continue };
            let catalog = self.environment.catalog();
            for reference in &catalog.tables[table].references {
                if reference.targets != catalog.tables[reference.table].key {
                    continue;
                }
                let key: Vec<Cell> = reference.columns.iter().map(|column| cells[*column].clone()).collect();
                if let Some(target) = self.rows(reference.table).index(&key) {
                    anchor.push((reference.table, target));
                }
            }
        }
        anchor
    }

    /// A row of a table.
    fn row(&mut self, table: usize, intent: Intent) -> Option<usize> {
        const TRIES: usize = 12;
        const NEWEST_PERCENT: usize = 15;
        const OWN_PERCENT: usize = 20;
        const ANYBODYS_PERCENT: usize = 15;
        let rows = self.rows(table);
        if rows.rows.is_empty() {
            return None;
        }
        if intent == Intent::Valid && self.random.percent(NEWEST_PERCENT) {
            return Some(rows.rows.len() - 1 - self.random.below(rows.rows.len().min(3)));
        }
        if intent == Intent::Valid
            && self.random.percent(OWN_PERCENT)
            && let Some(own) = self.own_row(table, &rows)
        {
            return Some(own);
        }
        let anybodys = self.random.percent(ANYBODYS_PERCENT);
        let mut row = self.random.below(rows.rows.len());
        for _ in 0..TRIES {
            if anybodys || rows.is_mine(row) != (intent == Intent::OtherActor) {
                break;
            }
            row = self.random.below(rows.rows.len());
        }
        Some(row)
    }

    /// The actor's own row, in the table of actors.
    fn own_row(&self, table: usize, rows: &Rows) -> Option<usize> {
        let actors = &self.environment.package().environment.actors;
        if self.environment.catalog().table(&actors.table) != Some(table) {
            return None;
        }
        rows.index(&single_key(&self.entry.conditions.actor)?)
    }

    fn value(&mut self, input: &Input, anchor: &Anchor, intent: Intent) -> Option<Value> {
        const INVALID_PERCENT: usize = 1;
        if self.random.percent(INVALID_PERCENT) {
            return Some(self.contradiction(input));
        }
        if let Some(members) = input.schema.get("enum").and_then(Value::as_array) {
            return self.member(input, anchor, members);
        }
        match &input.kind {
            Kind::Boolean => Some(Value::from(self.random.percent(50))),
            Kind::List(element) => Some(self.list(input, element, anchor, intent)),
            Kind::Object(members) => {
                let strays = intent != Intent::Valid;
                Some(Value::Object(self.members(members, anchor, 50, strays)))
            }
            Kind::Integer if input.is_id() => self.id(input, anchor, intent),
            Kind::Integer => Some(Value::from(self.integer(input, anchor, intent))),
            Kind::Number => {
                let whole = self.integer(input, anchor, intent);
                let whole = f64::from(i32::try_from(whole).unwrap_or(i32::MAX));
                Some(if self.random.percent(50) { Value::from(whole) } else { Value::from(whole + 0.5) })
            }
            Kind::Text(shape) if input.is_id() && *shape == TextShape::Free => self.id(input, anchor, intent),
            Kind::Text(shape) => Some(self.text(input, *shape, anchor, intent)),
        }
    }

    fn member(&mut self, input: &Input, anchor: &Anchor, members: &[Value]) -> Option<Value> {
        const ANCHORED_PERCENT: usize = 35;
        let anchored = self.anchored(input, anchor).filter(|value| members.contains(value));
        match anchored {
            Some(value) if self.random.percent(ANCHORED_PERCENT) => Some(value),
            _ => self.random.pick(members).cloned(),
        }
    }

    /// A value that the input's schema doesn't allow.
    fn contradiction(&mut self, input: &Input) -> Value {
        let limit = |keyword: &str| input.schema.get(keyword).and_then(Value::as_i64);
        let choices = [
            limit("minimum").map(|limit| Value::from(limit.saturating_sub(1))),
            limit("maximum").map(|limit| Value::from(limit.saturating_add(1))),
            Some(Value::from("zzz")),
            Some(Value::Null),
            Some(Value::from(1.5)),
        ];
        let choices: Vec<Value> = choices.into_iter().flatten().collect();
        self.random.pick(&choices).cloned().unwrap_or_default()
    }

    fn list(&mut self, input: &Input, element: &Input, anchor: &Anchor, intent: Intent) -> Value {
        let limit = |keyword: &str| {
            input.schema.get(keyword).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok())
        };
        let fewest = limit("minItems").unwrap_or(0);
        let most = limit("maxItems").unwrap_or(10);
        let length = match intent {
            Intent::Boundary if self.random.percent(50) => fewest,
            Intent::Boundary => most.min(40),
            _ if self.random.percent(20) => fewest.max(4 + self.random.below(6)).min(most),
            _ => fewest.max(1 + self.random.below(3)).min(most),
        };
        let mut elements: Vec<Value> = Vec::new();
        for index in 0..length {
            let around = if index == 0 { anchor.clone() } else { self.sibling(anchor) };
            let intent = if index == 0 { intent } else { Intent::Valid };
            elements.extend(self.value(element, &around, intent));
        }
        if intent != Intent::Unknown || input.schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen: Vec<Value> = Vec::new();
            elements.retain(|element| {
                let new = !seen.contains(element);
                seen.push(element.clone());
                new
            });
        }
        Value::Array(elements)
    }

    /// Another row of the anchor's table that refers to the same row: another line of the order.
    fn sibling(&mut self, anchor: &Anchor) -> Anchor {
        const TRIES: usize = 30;
        let Some((table, row)) = anchor.first().copied() else { return Anchor::new() };
        let rows = self.rows(table);
        let references = &self.environment.catalog().tables[table].references;
        for _ in 0..TRIES {
            let other = self.random.below(rows.rows.len());
            let related = references.iter().any(|reference| {
                reference.columns.iter().all(|column| rows.rows[other][*column] == rows.rows[row][*column])
            });
            if other != row && related {
                return self.with_referred((table, other));
            }
        }
        anchor.clone()
    }

    /// The value that the anchor's rows have for an input.
    fn anchored(&mut self, input: &Input, anchor: &Anchor) -> Option<Value> {
        let mut found = Vec::new();
        for (table, column) in &input.sources {
            for (in_table, row) in anchor {
                if in_table == table {
                    found.extend(self.cell((*table, *column), *row));
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        self.random.pick(&found).cloned()
    }

    fn cell(&self, (table, column): Source, row: usize) -> Option<Value> {
        let rows = self.rows(table);
        let cell = rows.rows.get(row)?.get(column)?;
        (!cell.is_null() && !is_marked(cell)).then(|| cell.to_json())
    }

    /// A value from some row of a column.
    fn sourced(&mut self, sources: &[Source], intent: Intent) -> Option<Value> {
        const BEST_PERCENT: usize = 60;
        const TRIES: usize = 4;
        let best = self.random.percent(BEST_PERCENT);
        let (table, column) = if best { *sources.first()? } else { *self.random.pick(sources)? };
        for _ in 0..TRIES {
            let row = self.row(table, intent)?;
            if let Some(value) = self.cell((table, column), row) {
                return Some(value);
            }
        }
        None
    }

    fn noted(&mut self, input: &Input) -> Option<Value> {
        let mut values: Vec<Value> = self.notes.get(&input.name).to_vec();
        for (table, column) in &input.sources {
            let table = &self.environment.catalog().tables[*table];
            let name = &table.columns[*column];
            if name == "id" {
                values.extend_from_slice(self.notes.get(&format!("{}_id", singular(&table.name))));
                let thing = input.name.strip_suffix("_id").unwrap_or_default();
                if is_plural_of(&table.name, thing) {
                    values.extend_from_slice(self.notes.get(&input.name));
                }
            } else {
                values.extend_from_slice(self.notes.get(name));
            }
        }
        let wanted = |value: &Value| match input.kind {
            Kind::Text(_) => value.is_string(),
            _ => value.is_number(),
        };
        values.retain(wanted);
        self.random.pick(&values).cloned()
    }

    /// An id: of a row that belongs to the call's others, of one named lately, of any; or one that doesn't exist.
    fn id(&mut self, input: &Input, anchor: &Anchor, intent: Intent) -> Option<Value> {
        const NOTED_PERCENT: usize = 25;
        if intent == Intent::Unknown || (input.sources.is_empty() && self.random.percent(30)) {
            return Some(self.unknown(input));
        }
        if intent == Intent::Valid {
            if self.random.percent(NOTED_PERCENT)
                && let Some(noted) = self.noted(input)
            {
                return Some(noted);
            }
            if let Some(anchored) = self.anchored(input, anchor) {
                return Some(anchored);
            }
        }
        let sourced = self.sourced(&input.sources, intent);
        Some(sourced.or_else(|| self.noted(input)).unwrap_or_else(|| self.unknown(input)))
    }

    fn unknown(&mut self, input: &Input) -> Value {
        if matches!(input.kind, Kind::Text(_)) {
            return Value::from(["zzz", "0", "ZZZ-999"][self.random.below(3)]);
        }
        let largest = input.sources.first().and_then(|(table, column)| {
            let rows = self.rows(*table);
            let numbers = rows.rows.iter().filter_map(|row| match row.get(*column) {
                Some(Cell::Integer(number)) => Some(*number),
                _ => None,
            });
            numbers.max()
        });
        Value::from([0, -1, 1, largest.unwrap_or(0).saturating_add(1_000)][self.random.below(4)])
    }

    fn bound(&self, input: &Input, keyword: &str) -> Option<i64> {
        input.schema.get(keyword).and_then(Value::as_f64).map(texts::whole)
    }

    fn integer(&mut self, input: &Input, anchor: &Anchor, intent: Intent) -> i64 {
        const LARGE: i64 = 1_000_000;
        let (least, most) = (self.bound(input, "minimum"), self.bound(input, "maximum"));
        if intent == Intent::Boundary {
            let bounds = [least, most, least.map(|least| least + 1), most.map(|most| most - 1), Some(0), Some(LARGE)];
            let bounds: Vec<i64> = bounds.into_iter().flatten().collect();
            return self.random.pick(&bounds).copied().unwrap_or(0);
        }
        let base = match self.random.below(10) {
            0..=2 => self.anchored(input, anchor).or_else(|| self.sourced(&input.sources, intent)),
            3 => self.sourced(&input.sources, intent),
            4..=5 => self.sourced(&input.near, intent),
            6 => self.noted(input),
            7..=8 => self.random.pick(self.mentioned).cloned(),
            _ => self.random.pick(&input.literals).cloned(),
        };
        let base = base.as_ref().and_then(Value::as_f64).map(texts::whole);
        let number = match (base, self.random.below(10)) {
            (Some(base), 0..=3) => base,
            (Some(base), 4..=6) => base.saturating_add([-1, 1][self.random.below(2)]),
            (Some(base), 7) => base / 2,
            (Some(base), 8) => base.saturating_mul(2),
            (None, 9) => LARGE,
            _ => i64::try_from(self.random.below(12)).unwrap_or(0),
        };
        number.max(least.unwrap_or(i64::MIN)).min(most.unwrap_or(i64::MAX))
    }

    fn text(&mut self, input: &Input, shape: TextShape, anchor: &Anchor, intent: Intent) -> Value {
        let longest = self.bound(input, "maxLength").and_then(|longest| usize::try_from(longest).ok());
        let text = match shape {
            TextShape::Date | TextShape::Timestamp | TextShape::Month | TextShape::Time => {
                self.time(input, shape, anchor, intent)
            }
            TextShape::Search => self.words(input),
            TextShape::Free => self.free(input, anchor, intent, longest),
        };
        let text = match &input.pattern {
            Some(pattern) if self.random.percent(20) => texts::matching(pattern, self.random).unwrap_or(text),
            Some(pattern) if !pattern.is_match(&text) && self.random.percent(80) => {
                texts::matching(pattern, self.random).unwrap_or(text)
            }
            _ => text,
        };
        match longest {
            Some(longest) if text.chars().count() > longest => {
                Value::from(text.chars().take(longest).collect::<String>())
            }
            _ => Value::from(text),
        }
    }

    fn string(value: Option<Value>) -> Option<String> {
        match value {
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        }
    }

    fn free(&mut self, input: &Input, anchor: &Anchor, intent: Intent, longest: Option<usize>) -> String {
        if intent == Intent::Boundary {
            let length = longest.unwrap_or(300).min(2_000);
            return ["x".repeat(length), " ".to_owned(), String::new(), "O'Brien \"x\" %_ é🙂".to_owned()]
                [self.random.below(4)]
            .clone();
        }
        if intent == Intent::Unknown {
            return texts::invented(self.random);
        }
        const TOLD_PERCENT: usize = 85;
        let choice = if input.is_told && self.random.percent(TOLD_PERCENT) {
            self.random.below(5)
        } else {
            self.random.below(8)
        };
        let known = match choice {
            0..=2 => self.anchored(input, anchor).or_else(|| self.sourced(&input.sources, intent)),
            3..=4 => self.sourced(&input.sources, intent),
            5 => self.noted(input),
            6 => self.random.pick(&input.literals).cloned(),
            _ => None,
        };
        let text = Self::string(known).unwrap_or_else(|| texts::invented(self.random));
        if self.random.percent(if input.is_told { 3 } else { 10 }) { texts::varied(&text, self.random) } else { text }
    }

    fn words(&mut self, input: &Input) -> String {
        const ODD: &[&str] = &["\"", "*", "a OR", "(", "-x", "'", "NEAR(", "a AND b", "%", "a:b", "zzzz"];
        const ODD_PERCENT: usize = 12;
        if self.random.percent(ODD_PERCENT) {
            return self.random.pick(ODD).copied().unwrap_or_default().to_owned();
        }
        let text = match Self::string(self.sourced(&input.sources, Intent::Valid)) {
            Some(text) if self.random.percent(50) => text,
            _ => self.any_text().unwrap_or_else(|| "the".to_owned()),
        };
        let words: Vec<&str> = text.split(|next: char| !next.is_alphanumeric()).filter(|word| word.len() > 2).collect();
        match self.random.below(4) {
            0 => text.clone(),
            1 => words.iter().take(2).copied().collect::<Vec<_>>().join(" "),
            _ => self.random.pick(&words).copied().unwrap_or("the").to_owned(),
        }
    }

    /// A text of some row in some table.
    fn any_text(&mut self) -> Option<String> {
        let catalog = self.environment.catalog();
        let table = self.random.below(catalog.tables.len());
        let row = self.row(table, Intent::Valid)?;
        let texts: Vec<usize> = (0..catalog.tables[table].columns.len())
            .filter(|column| catalog.tables[table].types[*column].eq_ignore_ascii_case("TEXT"))
            .collect();
        let column = *self.random.pick(&texts)?;
        Self::string(self.cell((table, column), row))
    }

    /// A date or time: near now, near one in the data, or no date at all.
    fn time(&mut self, input: &Input, shape: TextShape, anchor: &Anchor, intent: Intent) -> String {
        if intent == Intent::Unknown {
            return ["2026-02-30", "zzz", "", "2026-13-01", "20260317"][self.random.below(5)].to_owned();
        }
        if let Some(chosen) = self.chosen_time
            && self.random.percent(40)
        {
            let days = i64::try_from(self.random.below(40)).unwrap_or(0) - 8;
            return texts::write_time(chosen.saturating_add(days * texts::DAY_MS), shape);
        }
        let known = match self.random.below(10) {
            0..=1 => self.anchored(input, anchor),
            2..=3 => self.sourced(&input.sources, intent),
            4..=5 => self.sourced(&input.near, intent),
            6 => self.random.pick(self.mentioned).cloned(),
            7 => self.noted(input),
            _ => None,
        };
        let now = self.entry.state.now_ms(&self.entry.conditions);
        let base = Self::string(known).and_then(|text| texts::parse_time(&text)).unwrap_or(now);
        let days = texts::DAYS[self.random.below(texts::DAYS.len())];
        let moved = match self.random.below(3) {
            0 => base,
            _ if intent == Intent::Boundary => base.saturating_add(days.saturating_mul(10) * texts::DAY_MS),
            _ => base.saturating_add(days * texts::DAY_MS),
        };
        self.chosen_time = Some(moved);
        texts::write_time(moved, shape)
    }
}
