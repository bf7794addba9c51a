//! Intents of a variant, and the rows of its data that they are about.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::super::blueprint::files::TextOr;
use super::super::model::{Item, Place};
use super::super::world::Resolver;
use crate::package::diagnostic::Code;

/// An intent with its texts and SQL filled for a variant.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub name: String,
    pub rule: bool,
    pub among: String,
    pub sets: IndexMap<String, (String, usize, usize)>,
    pub cases: Vec<Case>,
    pub wishes: Vec<String>,
    pub ask: Vec<String>,
    pub otherwise: Vec<String>,
    pub say: Vec<String>,
    pub alone: bool,
    /// Columns that the person decides: no observation need show them.
    pub given: BTreeSet<String>,
    pub weight: u32,
    pub place: Place,
}

/// A case of an intent.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub restriction: Option<String>,
    pub refused: Option<(String, Map<String, Value>, String)>,
    pub calls: Vec<PlanStep>,
    pub answer: Vec<(String, Value)>,
    pub line: usize,
}

/// A step of a plan.
#[derive(Debug, Clone)]
pub(super) enum PlanStep {
    /// A call with arguments as written.
    Call { tool: String, arguments: Map<String, Value> },
    /// Calls for each row of a set.
    Each { set: String, steps: Vec<PlanStep> },
}

impl Case {
    /// Tools that its calls name.
    fn tools(&self) -> Vec<&str> {
        fn of<'s>(steps: &'s [PlanStep], tools: &mut Vec<&'s str>) {
            for step in steps {
                match step {
                    PlanStep::Call { tool, .. } => tools.push(tool),
                    PlanStep::Each { steps, .. } => of(steps, tools),
                }
            }
        }
        let mut tools = Vec::new();
        of(&self.calls, &mut tools);
        tools.extend(self.refused.as_ref().map(|(tool, ..)| tool.as_str()));
        tools
    }
}

/// The intents of the variant whose calls all have their tools.
pub(super) fn intents(resolver: &mut Resolver<'_>, has_tool: impl Fn(&str) -> bool) -> Vec<Intent> {
    let model = resolver.model;
    let mut intents = Vec::new();
    for (name, item) in &model.intents {
        resolver.known_features(&item.place, &item.condition);
        if !resolver.holds(&item.condition) {
            continue;
        }
        let mut intent = intent(resolver, name, item);
        for case in &intent.cases {
            for tool in case.tools() {
                if !model.tools.contains_key(tool) && item.place.module.is_none() {
                    resolver.wrong(
                        Code::BlueprintReference,
                        &item.place,
                        case.line,
                        format!("{name}: there is no tool {tool}"),
                    );
                }
            }
        }
        intent.cases.retain(|case| case.tools().into_iter().all(&has_tool));
        if !intent.cases.is_empty() {
            intents.push(intent);
        }
    }
    intents
}

fn intent(resolver: &mut Resolver<'_>, name: &str, item: &Item<super::super::blueprint::files::IntentFile>) -> Intent {
    let (file, place) = (&item.value, &item.place);
    let mut texts = |texts: &[crate::package::files::At<String>]| -> Vec<String> {
        texts.iter().map(|text| one_line(&resolver.text(place, text.line, text))).collect()
    };
    let (wishes, ask, say) = (texts(&file.wishes), texts(&file.ask), texts(&file.say));
    let otherwise = file.otherwise.0.iter().map(|text| one_line(&resolver.text(place, 0, text))).collect();
    if wishes.is_empty() && ask.is_empty() && say.is_empty() {
        resolver.wrong(Code::BlueprintInvalid, place, 0, format!("{name} has none of do, ask and say"));
    }
    let mut cases = Vec::new();
    for case in &file.cases {
        if resolver.holds(&case.condition.0)
            && let Some(case) = self::case(resolver, name, place, case)
        {
            cases.push(case);
        }
    }
    if file.cases.is_empty() {
        resolver.wrong(Code::BlueprintInvalid, place, 0, format!("{name} has no cases"));
    }
    let sets = file.sets.iter().map(|(set, spec)| {
        let (low, high) = spec.size.unwrap_or((2, 5));
        (set.clone(), (resolver.sql(place, spec.sql.line, &spec.sql), low, high))
    });
    let given = given(&file.given.0, &cases, file.sets.values().map(|set| set.sql.as_str()));
    Intent {
        name: name.to_owned(),
        given,
        rule: file.rule.is_some(),
        sets: sets.collect(),
        among: resolver.sql(place, file.among.line, &file.among),
        cases,
        wishes,
        ask,
        otherwise,
        say,
        alone: file.alone,
        weight: file.weight.unwrap_or(1),
        place: place.clone(),
    }
}

/// Columns that are named as given, that some case passes on as an argument, or that bound a set: it is the person who
/// decides what they are, and in another case of the intent nothing may show them.
fn given<'s>(named: &[String], cases: &[Case], sets: impl Iterator<Item = &'s str>) -> BTreeSet<String> {
    let mut given: BTreeSet<String> = named.iter().cloned().collect();
    fn of_value(value: &Value, given: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => given.extend(text.strip_prefix('$').map(str::to_owned)),
            Value::Array(elements) => elements.iter().for_each(|element| of_value(element, given)),
            Value::Object(members) => members.values().for_each(|member| of_value(member, given)),
            _ => {}
        }
    }
    fn of_steps(steps: &[PlanStep], given: &mut BTreeSet<String>) {
        for step in steps {
            match step {
                PlanStep::Call { arguments, .. } => arguments.values().for_each(|value| of_value(value, given)),
                PlanStep::Each { steps, .. } => of_steps(steps, given),
            }
        }
    }
    for case in cases {
        of_steps(&case.calls, &mut given);
        if let Some((_, arguments, _)) = &case.refused {
            arguments.values().for_each(|value| of_value(value, &mut given));
        }
    }
    for sql in sets {
        let names = sql.split(':').skip(1);
        given.extend(names.map(|rest| {
            rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>()
        }));
    }
    given
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn case(
    resolver: &mut Resolver<'_>,
    name: &str,
    place: &Place,
    file: &crate::package::files::At<super::super::blueprint::files::CaseFile>,
) -> Option<Case> {
    let line = file.line;
    let restriction = file.restriction.as_ref().map(|sql| resolver.sql(place, sql.line, sql));
    let mut calls = Vec::new();
    for call in &file.calls {
        match steps(&call.value) {
            Ok(step) => calls.push(filled_step(resolver, place, call.line, step)),
            Err(message) => {
                resolver.wrong(Code::BlueprintInvalid, place, call.line, format!("{name}: {message}"));
                return None;
            }
        }
    }
    let refused = match file.refused.as_ref().map(|refused| (refused.line, refusal(&refused.value))) {
        None => None,
        Some((_, Ok((tool, arguments, code)))) => Some((tool, filled(resolver, place, line, arguments), code)),
        Some((line, Err(message))) => {
            resolver.wrong(Code::BlueprintInvalid, place, line, format!("{name}: {message}"));
            return None;
        }
    };
    let mut answer = Vec::new();
    for item in &file.answer {
        for (kind, value) in &item.value {
            if !["money", "number", "text", "date", "set"].contains(&kind.as_str()) {
                resolver.wrong(
                    Code::BlueprintInvalid,
                    place,
                    item.line,
                    format!("{name}: an answer is money, number, text, date or set, not {kind}"),
                );
                return None;
            }
            answer.push((kind.clone(), filled_value(resolver, place, item.line, value.clone())));
        }
    }
    Some(Case { restriction, refused, calls, answer, line })
}

/// `{tool: arguments}` or `{each: set, do: [...]}`.
fn steps(value: &IndexMap<String, Value>) -> Result<PlanStep, String> {
    if let Some(set) = value.get("each") {
        let set = set.as_str().ok_or("`each` names a set")?.to_owned();
        let inner = value.get("do").and_then(Value::as_array).ok_or("`each` goes with `do`: a list of calls")?;
        let mut calls = Vec::new();
        for call in inner {
            let members = call.as_object().ok_or("a call is {tool: arguments}")?;
            calls.push(steps(&members.iter().map(|(key, value)| (key.clone(), value.clone())).collect())?);
        }
        return Ok(PlanStep::Each { set, steps: calls });
    }
    let (Some((tool, arguments)), 1) = (value.first(), value.len()) else {
        return Err("a call is {tool: arguments}".to_owned());
    };
    let arguments = match arguments {
        Value::Null => Map::new(),
        Value::Object(arguments) => arguments.clone(),
        _ => return Err(format!("the arguments of {tool} are a mapping")),
    };
    Ok(PlanStep::Call { tool: tool.clone(), arguments })
}

fn refusal(refused: &TextOr<IndexMap<String, Value>>) -> Result<(String, Map<String, Value>, String), String> {
    const SHAPE: &str = "`refused` is {tool: arguments, code: refusal}";
    match refused {
        TextOr::Full(members) => {
            let code = members.get("code").and_then(Value::as_str).ok_or(SHAPE)?;
            let (tool, arguments) = members.iter().find(|(key, _)| *key != "code").ok_or(SHAPE)?;
            let arguments = arguments.as_object().cloned().unwrap_or_default();
            Ok((tool.clone(), arguments, code.to_owned()))
        }
        TextOr::Text(text) => {
            let (tool, rest) = text.trim().split_once(' ').ok_or(SHAPE)?;
            let (arguments, code) = rest.trim().rsplit_once(' ').ok_or(SHAPE)?;
            let arguments: Map<String, Value> = serde_saphyr::from_str(arguments).map_err(|_| SHAPE)?;
            Ok((tool.to_owned(), arguments, code.to_owned()))
        }
    }
}

fn filled_step(resolver: &mut Resolver<'_>, place: &Place, line: usize, step: PlanStep) -> PlanStep {
    match step {
        PlanStep::Call { tool, arguments } => {
            PlanStep::Call { tool, arguments: filled(resolver, place, line, arguments) }
        }
        PlanStep::Each { set, steps } => PlanStep::Each {
            set,
            steps: steps.into_iter().map(|step| filled_step(resolver, place, line, step)).collect(),
        },
    }
}

fn filled(
    resolver: &mut Resolver<'_>,
    place: &Place,
    line: usize,
    arguments: Map<String, Value>,
) -> Map<String, Value> {
    arguments.into_iter().map(|(name, value)| (name, filled_value(resolver, place, line, value))).collect()
}

fn filled_value(resolver: &mut Resolver<'_>, place: &Place, line: usize, value: Value) -> Value {
    match value {
        Value::String(text) if text.contains("{{") => {
            let filled = resolver.text(place, line, &text);
            // A constant that stands alone is the value it is.
            serde_json::from_str(&filled).ok().filter(Value::is_number).unwrap_or(Value::String(filled))
        }
        Value::Object(members) => Value::Object(filled(resolver, place, line, members)),
        Value::Array(elements) => {
            elements.into_iter().map(|element| filled_value(resolver, place, line, element)).collect()
        }
        other => other,
    }
}
