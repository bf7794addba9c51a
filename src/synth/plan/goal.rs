//! Goals: one to four intents of one person, each for a row of the data that the words tell from all others.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::super::model::Model;
use super::super::rng::Rng;
use super::super::wording::{self, Formats, Part, Speaker};
use super::execute::{Run, Stage, Told};
use super::ground::{grounded, shown, unique};
use super::intent::{Case, Intent};
use super::query::{self, Row};
pub(crate) use super::recipe::GoalKind;
use super::recipe::{Recipe, recipes};
use super::text::{self, plain};
use super::{CaseReport, TASKS};
use crate::engine::state::{Conditions, State};

/// Rows of a case whose plans are tried beforehand.
const TRIED_MAX: usize = 8;

/// Goals that are tried for one recipe.
const GOALS_TRIED_MAX: usize = 60;

/// Rounds of planning anew what the gates have turned down, and the round from which on any task is better than none.
const ROUNDS_MAX: usize = 7;
const EASED_FROM: usize = 4;

/// Instructions of one environment may be at most this similar.
const SIMILARITY_MAX: f64 = 0.85;

/// A task, planned.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    pub kind: GoalKind,
    pub intents: Vec<String>,
    /// Whether an intent of it needs a rule of the blueprint's own.
    pub own_rule: bool,
    pub actor: Value,
    pub instruction: String,
    /// Tool names of this variant, with arguments as `tasks.yaml` has them.
    pub calls: Vec<(String, Map<String, Value>)>,
    pub answer: Option<String>,
    pub expects: Vec<Value>,
    pub free: Vec<String>,
    /// Numbers of the cases, and what tells its rows: no two tasks are about the same.
    cases: Vec<usize>,
    about: Vec<String>,
}

impl Goal {
    /// By number of calls.
    pub(crate) fn difficulty(&self) -> &'static str {
        match self.calls.len() {
            0..=3 => "easy",
            4..=7 => "medium",
            _ => "hard",
        }
    }
}

/// A row that an intent's case is about.
#[derive(Debug, Clone)]
struct Candidate {
    /// Number of the case over all intents.
    case: usize,
    actor: usize,
    row: Row,
    /// All rows of `among` for the actor.
    among: Rc<Vec<Row>>,
    /// Calls of its plan, and whether it changes something.
    calls: usize,
    changes: bool,
}

/// Texts chosen for an intent, with their slots.
#[derive(Debug, Clone, Default)]
struct Words {
    wish: Option<String>,
    ask: Option<String>,
    otherwise: Option<String>,
    say: Option<String>,
}

impl Words {
    fn texts(&self) -> impl Iterator<Item = &String> {
        [&self.wish, &self.ask, &self.otherwise, &self.say].into_iter().flatten()
    }
}

/// Plans goals.
pub(super) struct Planner<'p> {
    stage: &'p Stage<'p>,
    intents: Vec<Intent>,
    /// The intent and case of each case number.
    cases: Vec<(usize, usize)>,
    actors: Vec<(Value, String)>,
    candidates: Vec<Candidate>,
    report: Vec<CaseReport>,
    rng: Rng,
    actors_where: Option<String>,
}

impl<'p> Planner<'p> {
    pub(super) fn new(model: &Model, stage: &'p Stage<'p>, intents: Vec<Intent>, rng: Rng) -> Self {
        let cases: Vec<(usize, usize)> = intents
            .iter()
            .enumerate()
            .flat_map(|(index, intent)| (0..intent.cases.len()).map(move |case| (index, case)))
            .collect();
        let report = cases.iter().map(|(intent, case)| CaseReport {
            name: format!("{}#{}", intents[*intent].name, case + 1),
            ..CaseReport::default()
        });
        let report = report.collect();
        let actors = stage.environment.actors().iter().map(|actor| (actor.id.clone(), actor.name.clone())).collect();
        let actors_where = model.header.actors_where.as_ref().map(|sql| sql.value.clone());
        Self { stage, intents, cases, actors, candidates: Vec::new(), report, rng, actors_where }
    }

    fn conditions(&self, actor: usize) -> Conditions {
        Conditions { seed: 0, clock_ms: self.stage.environment.clock_ms(), actor: self.actors[actor].0.clone() }
    }

    fn intent(&self, case: usize) -> (&Intent, &Case) {
        let (intent, case) = self.cases[case];
        (&self.intents[intent], &self.intents[intent].cases[case])
    }

    /// Finds the rows of each case for each actor, and tries the plans of some.
    pub(super) fn survey(&mut self) {
        self.eligible_actors();
        let mut rng = self.rng.fork("survey");
        for intent in 0..self.intents.len() {
            let mut found: Vec<Candidate> = Vec::new();
            for actor in 0..self.actors.len() {
                self.rows(intent, actor, &mut found);
            }
            rng.shuffle(&mut found);
            let mut tried: BTreeMap<usize, usize> = BTreeMap::new();
            for candidate in found {
                let count = tried.entry(candidate.case).or_default();
                if *count < TRIED_MAX {
                    *count += 1;
                    self.try_out(candidate, &mut rng);
                }
            }
        }
    }

    fn eligible_actors(&mut self) {
        let actors = &self.stage.compiled.actors;
        let Some(condition) = &self.actors_where else { return };
        let sql = format!("SELECT {} AS id FROM {} WHERE {condition}", "id", actors);
        let conditions = self.conditions(0);
        match query::rows(self.stage.environment, &State::default(), &conditions, &sql, &Row::new()) {
            Ok(rows) => {
                let ids: Vec<&Value> = rows.iter().filter_map(|row| row.get("id")).collect();
                self.actors.retain(|(id, _)| ids.contains(&id));
            }
            Err(err) => self.report.push(CaseReport {
                name: "actors_where".to_owned(),
                reasons: BTreeMap::from([(err, 1)]),
                ..CaseReport::default()
            }),
        }
    }

    /// The rows of an intent for an actor, with the case each belongs to.
    fn rows(&mut self, intent: usize, actor: usize, found: &mut Vec<Candidate>) {
        let of_intent = &self.intents[intent];
        let conditions: Vec<String> = of_intent
            .cases
            .iter()
            .enumerate()
            .map(|(index, case)| format!("({}) AS case__{index}", case.restriction.as_deref().unwrap_or("1")))
            .collect();
        let sql = format!("SELECT *, {} FROM ({})", conditions.join(", "), of_intent.among);
        let first = self.cases.iter().position(|(index, _)| *index == intent).unwrap_or_default();
        let rows = query::rows(self.stage.environment, &State::default(), &self.conditions(actor), &sql, &Row::new());
        let rows = match rows {
            Ok(rows) => rows,
            Err(err) => {
                *self.report[first].reasons.entry(format!("among: {err}")).or_default() += 1;
                return;
            }
        };
        let cases = of_intent.cases.len();
        let mut plain_rows = Vec::with_capacity(rows.len());
        let mut of_case = Vec::new();
        for mut row in rows {
            let holds = |row: &Row, case: usize| {
                row.get(format!("case__{case}").as_str()).and_then(Value::as_f64).is_some_and(|truth| truth != 0.0)
            };
            if let Some(case) = (0..cases).find(|case| holds(&row, *case)) {
                of_case.push((plain_rows.len(), first + case));
            }
            row.retain(|name, _| !name.starts_with("case__"));
            plain_rows.push(row);
        }
        let among = Rc::new(plain_rows);
        for (index, case) in of_case {
            self.report[case].rows += 1;
            found.push(Candidate {
                case,
                actor,
                row: among[index].clone(),
                among: Rc::clone(&among),
                calls: 0,
                changes: false,
            });
        }
    }

    fn try_out(&mut self, candidate: Candidate, rng: &mut Rng) {
        self.report[candidate.case].tried += 1;
        let mut run = Run::new(self.conditions(candidate.actor));
        let formats = self.formats(rng);
        let words = self.words(candidate.case, true, rng);
        match self.part(&mut run, &candidate, &words, &formats) {
            Ok(_) => {
                self.report[candidate.case].worked += 1;
                let changes = run.calls.iter().any(|call| call.changed);
                self.candidates.push(Candidate { calls: run.calls.len(), changes, ..candidate });
            }
            Err(reason) => *self.report[candidate.case].reasons.entry(reason).or_default() += 1,
        }
    }

    fn formats(&self, rng: &mut Rng) -> Formats {
        Formats::choose(self.stage.compiled.clock.now.date(), rng)
    }

    /// The actor with most to do.
    pub(super) fn busiest_actor(&self) -> Value {
        let mut counts = vec![0_usize; self.actors.len()];
        for candidate in &self.candidates {
            counts[candidate.actor] += 1;
        }
        let busiest = (0..counts.len()).max_by_key(|actor| (counts[*actor], std::cmp::Reverse(*actor)));
        busiest.map_or(Value::Null, |actor| self.actors[actor].0.clone())
    }

    fn words(&self, case: usize, first: bool, rng: &mut Rng) -> Words {
        let (intent, _) = self.intent(case);
        let clauses = !intent.wishes.is_empty() || !intent.ask.is_empty();
        if !intent.say.is_empty() && first && (!clauses || rng.chance(0.4)) {
            return Words { say: rng.pick(&intent.say).cloned(), ..Words::default() };
        }
        Words {
            wish: rng.pick(&intent.wishes).cloned(),
            ask: rng.pick(&intent.ask).cloned(),
            otherwise: rng.pick(&intent.otherwise).cloned(),
            say: None,
        }
    }

    /// Executes a candidate's plan after what a run has done already, and gives its part of the text and its answer.
    fn part(
        &self,
        run: &mut Run,
        candidate: &Candidate,
        words: &Words,
        formats: &Formats,
    ) -> Result<(Part, Vec<(Value, String)>), String> {
        let (intent, case) = self.intent(candidate.case);
        let row = &candidate.row;
        let slots: BTreeSet<text::Slot> = words.texts().flat_map(|text| text::slots(text)).collect();
        unique(&slots, row, &candidate.among, formats)?;
        let fill = |text: &Option<String>| text.as_ref().map(|text| text::fill(text, row, formats)).transpose();
        let part = Part {
            do_clause: fill(&words.wish)?,
            ask_clause: fill(&words.ask)?,
            otherwise: fill(&words.otherwise)?,
            say: fill(&words.say)?,
            answer_is_asked: !case.answer.is_empty(),
        };
        let said: Vec<&str> = [&part.do_clause, &part.ask_clause, &part.otherwise, &part.say]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let told = Told { columns: slots.iter().map(|slot| slot.column.clone()).collect(), text: said.join("\n") };
        let before = run.calls.len();
        self.stage.execute(run, intent, case, row, &told)?;
        grounded(run, before, &slots, row, &intent.given)?;
        let mut answers = Vec::new();
        for (kind, value) in &case.answer {
            answers.push(self.answer(run, intent, kind, value, row)?);
        }
        Ok((part, answers))
    }

    /// One item of an answer: what is expected, and the words of the reference answer.
    fn answer(
        &self,
        run: &Run,
        intent: &Intent,
        kind: &str,
        value: &Value,
        row: &Row,
    ) -> Result<(Value, String), String> {
        if kind == "set" {
            let path = value.as_str().unwrap_or_default().trim_start_matches('$');
            let (set, column) = path.split_once('.').ok_or("the answer's set is written as set.column")?;
            let members: Vec<String> = self
                .stage
                .set(run, intent, set, row)?
                .iter()
                .filter_map(|member| member.get(column))
                .map(plain)
                .collect();
            let text = members.join(", ");
            return Ok((json!({"set": members}), text));
        }
        let found = self.stage.answer_value(run, value, row)?;
        let computed = value.is_object();
        if !computed && !shown(run, 0, &found) {
            return Err(format!("the answer {found} is in no observation: read it"));
        }
        match kind {
            "money" => {
                let cents = found.as_f64().ok_or_else(|| format!("the answer {found} is no amount"))?;
                let dollars = (cents / 100.0 * 100.0).round() / 100.0;
                Ok((json!({"number": dollars}), format!("{dollars:.2}")))
            }
            "number" => {
                let number = found.as_f64().ok_or_else(|| format!("the answer {found} is no number"))?;
                Ok((json!({"number": found}), number.to_string()))
            }
            "date" => {
                let day: String = plain(&found).chars().take(10).collect();
                Ok((json!({"date": day}), day))
            }
            _ if found.is_null() || plain(&found).trim().is_empty() => Err("the answer is empty".to_owned()),
            _ => Ok((json!({"text": plain(&found)}), plain(&found))),
        }
    }

    /// The environment's tasks: as many as there should be, unless the data has too little to say.
    pub(super) fn goals(&mut self, proven: &mut impl FnMut(&[Goal]) -> Vec<Result<(), String>>) -> Vec<Goal> {
        let mut rng = self.rng.fork("goals");
        let mut open: Vec<(usize, Recipe)> = recipes(&mut rng).into_iter().enumerate().collect();
        let mut kept: BTreeMap<usize, Goal> = BTreeMap::new();
        let mut turned_down: BTreeSet<Vec<String>> = BTreeSet::new();
        for round in 0..ROUNDS_MAX {
            let mut fresh: Vec<(usize, Goal)> = Vec::new();
            for (place, recipe) in &open {
                let all: Vec<&Goal> = kept.values().chain(fresh.iter().map(|(_, goal)| goal)).collect();
                let recipe = if round < EASED_FROM { *recipe } else { recipe.eased() };
                if let Some(goal) = self.goal(recipe, &all, &turned_down, &mut rng) {
                    fresh.push((*place, goal));
                }
            }
            if open.is_empty() {
                break;
            }
            let goals: Vec<Goal> = fresh.iter().map(|(_, goal)| goal.clone()).collect();
            for ((place, goal), verdict) in fresh.into_iter().zip(proven(&goals)) {
                match verdict {
                    Ok(()) => {
                        kept.insert(place, goal);
                    }
                    Err(reason) => {
                        *self.report[goal.cases[0]].reasons.entry(format!("gate: {reason}")).or_default() += 1;
                        turned_down.insert(goal.about.clone());
                    }
                }
            }
            open.retain(|(place, _)| !kept.contains_key(place));
        }
        for goal in kept.values() {
            for case in &goal.cases {
                self.report[*case].used += 1;
            }
        }
        debug_assert!(kept.len() <= TASKS);
        kept.into_values().collect()
    }

    /// A goal after a recipe; one that is near it where none fits exactly.
    fn goal(
        &self,
        recipe: Recipe,
        others: &[&Goal],
        turned_down: &BTreeSet<Vec<String>>,
        rng: &mut Rng,
    ) -> Option<Goal> {
        let mut nearest: Option<(usize, Goal)> = None;
        for _ in 0..GOALS_TRIED_MAX {
            let Some(chosen) = self.choose(recipe, others, rng) else { continue };
            let Ok(goal) = self.assemble(&chosen, rng) else { continue };
            let clash = goal.about.iter().any(|about| others.iter().any(|other| other.about.contains(about)));
            if clash || turned_down.contains(&goal.about) || goal.kind != recipe.kind || self.too_similar(&goal, others)
            {
                continue;
            }
            if recipe.answer.is_some_and(|answer| answer == goal.expects.is_empty()) {
                continue;
            }
            let (low, high) = recipe.calls;
            let calls = goal.calls.len();
            let off = low.saturating_sub(calls) + calls.saturating_sub(high);
            if off == 0 {
                return Some(goal);
            }
            if nearest.as_ref().is_none_or(|(least, _)| off < *least) {
                nearest = Some((off, goal));
            }
        }
        nearest.map(|(_, goal)| goal)
    }

    fn too_similar(&self, goal: &Goal, others: &[&Goal]) -> bool {
        let length = |goal: &Goal| goal.instruction.chars().count() as f64;
        others.iter().any(|other| {
            let (left, right) = (length(goal), length(other));
            // Texts of very different lengths can't be alike, and comparing lengths is ten thousand times faster.
            left.min(right) > left.max(right) * SIMILARITY_MAX
                && strsim::normalized_levenshtein(&other.instruction, &goal.instruction) > SIMILARITY_MAX
        })
    }

    /// Candidates of one actor for a recipe, those whose cases have been used least first.
    fn choose(&self, recipe: Recipe, others: &[&Goal], rng: &mut Rng) -> Option<Vec<&Candidate>> {
        let used = |case: usize| others.iter().filter(|goal| goal.cases.contains(&case)).count();
        let of_intent = |case: usize| {
            let intent = self.cases[case].0;
            others.iter().flat_map(|goal| &goal.cases).filter(|other| self.cases[**other].0 == intent).count()
        };
        let fits = |candidate: &&Candidate| {
            let (_, case) = self.intent(candidate.case);
            match recipe.kind {
                GoalKind::Refusal => case.refused.is_some(),
                GoalKind::Question => !candidate.changes && case.refused.is_none(),
                GoalKind::Change => recipe.answer != Some(false) || case.answer.is_empty(),
            }
        };
        let mut pool: Vec<(f64, &Candidate)> = self
            .candidates
            .iter()
            .filter(fits)
            .map(|candidate| {
                let weight = f64::from(self.intent(candidate.case).0.weight.max(1));
                let worn = (of_intent(candidate.case) * 2 + used(candidate.case)) as f64;
                ((worn + rng.unit() * 2.5) / weight, candidate)
            })
            .collect();
        pool.sort_by(|left, right| left.0.total_cmp(&right.0));
        let count = rng.between(recipe.parts.0 as i64, recipe.parts.1 as i64) as usize;
        let (_, first) = pool.iter().find(|(_, candidate)| recipe.kind != GoalKind::Change || candidate.changes)?;
        let mut chosen: Vec<&Candidate> = vec![first];
        if self.intent(first.case).0.alone && count > 1 {
            return None;
        }
        let mut calls = first.calls;
        for (_, candidate) in &pool {
            if chosen.len() >= count {
                break;
            }
            let intent = self.cases[candidate.case].0;
            let fresh = chosen.iter().all(|other| self.cases[other.case].0 != intent);
            let room = calls + candidate.calls <= recipe.calls.1;
            if candidate.actor == first.actor && fresh && room && !self.intents[intent].alone {
                calls += candidate.calls;
                chosen.push(candidate);
            }
        }
        let asks = chosen.iter().any(|candidate| !self.intent(candidate.case).1.answer.is_empty());
        (chosen.len() >= recipe.parts.0 && (recipe.answer != Some(true) || asks)).then(|| {
            // A question stands at the end: it may be about what was done before.
            chosen.sort_by_key(|candidate| !candidate.changes);
            chosen
        })
    }

    /// Executes candidates one after another and puts them into words.
    fn assemble(&self, chosen: &[&Candidate], rng: &mut Rng) -> Result<Goal, String> {
        let actor = chosen.first().ok_or("nothing is chosen")?.actor;
        let mut run = Run::new(self.conditions(actor));
        let formats = self.formats(rng);
        let mut parts = Vec::new();
        let mut answers: Vec<(Value, String)> = Vec::new();
        for (index, candidate) in chosen.iter().enumerate() {
            if index > 0 {
                self.still_there(&run, candidate)?;
            }
            let words = self.words(candidate.case, index == 0, rng);
            let (part, answer) = self.part(&mut run, candidate, &words, &formats)?;
            parts.push(part);
            answers.extend(answer);
        }
        let speaker = Speaker { actor_name: self.actors[actor].1.clone(), other_name: self.other_name(actor, rng) };
        let instruction = wording::compose(&parts, &speaker, rng);
        let refused = chosen.iter().any(|candidate| self.intent(candidate.case).1.refused.is_some());
        let changes = run.calls.iter().any(|call| call.changed);
        let kind = match (changes, refused) {
            (true, _) => GoalKind::Change,
            (false, true) => GoalKind::Refusal,
            (false, false) => GoalKind::Question,
        };
        if kind != GoalKind::Change && answers.is_empty() {
            return Err("nothing changes and nothing is asked".to_owned());
        }
        let texts: Vec<&str> = answers.iter().map(|(_, text)| text.as_str()).collect();
        let calls =
            run.written.iter().zip(&run.calls).map(|((_, arguments), call)| (call.tool.to_string(), arguments.clone()));
        Ok(Goal {
            kind,
            intents: chosen.iter().map(|candidate| self.intent(candidate.case).0.name.clone()).collect(),
            own_rule: chosen.iter().any(|candidate| {
                let intent = self.intent(candidate.case).0;
                intent.rule && intent.place.module.is_none()
            }),
            actor: self.actors[actor].0.clone(),
            instruction,
            calls: calls.collect(),
            answer: (!answers.is_empty()).then(|| texts.join("; ")),
            expects: answers.iter().map(|(expect, _)| expect.clone()).collect(),
            free: run.free.clone(),
            cases: chosen.iter().map(|candidate| candidate.case).collect(),
            about: chosen
                .iter()
                .map(|candidate| format!("{} {} {:?}", candidate.case, candidate.actor, candidate.row))
                .collect(),
        })
    }

    /// Whether what a candidate is about is as it was, after what the parts before have done.
    fn still_there(&self, run: &Run, candidate: &Candidate) -> Result<(), String> {
        let (intent, case) = self.intent(candidate.case);
        let sql = format!("SELECT * FROM ({}) WHERE {}", intent.among, case.restriction.as_deref().unwrap_or("1"));
        let rows = query::rows(self.stage.environment, &run.state, &run.conditions, &sql, &Row::new())?;
        if rows.contains(&candidate.row) {
            Ok(())
        } else {
            Err("an earlier part changes what this one is about".to_owned())
        }
    }

    fn other_name(&self, actor: usize, rng: &mut Rng) -> String {
        let others: Vec<&(Value, String)> =
            self.actors.iter().enumerate().filter(|(index, _)| *index != actor).map(|(_, other)| other).collect();
        rng.pick(&others)
            .map_or_else(|| "Sam".to_owned(), |(_, name)| name.split(' ').next().unwrap_or(name).to_owned())
    }

    pub(super) fn into_report(self) -> Vec<CaseReport> {
        self.report
    }
}
