//! Wrong answers on the right final state earn nothing: a neighbour's value, off by one, 'X or Y', a list of everything.

use std::collections::BTreeSet;

use jiff::ToSpan;

use super::Gates;
use crate::engine::answer::{ANSWER_LENGTH_MAX, contains_phrase, facts, normal};
use crate::engine::snapshot::{Cell, Row, Snapshot};
use crate::engine::solution::plain;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{ExpectFile, OneOrMany};

/// The texts of one column of the initial database, each as it is and in normal form.
pub(super) type TextColumn = Vec<(String, String)>;

/// Most values of the same kind that are tried.
const OTHERS_MAX: usize = 40;

pub(super) fn check(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let Some(answer) = gates.task.answer() else { return Vec::new() };
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    for expect in gates.task.expects() {
        wrong.extend(wrong_for(gates, expect, answer));
    }
    let mut findings = Vec::new();
    // The final state is the right one.
    for answer in wrong {
        if gates.answer_passes(Some(&answer)) {
            findings.push(
                gates.finding(Code::WrongAnswerRewarded, format!("the wrong answer {answer:?} earns the reward")),
            );
        }
    }
    findings
}

fn wrong_for(gates: &Gates<'_>, expect: &ExpectFile, answer: &str) -> Vec<String> {
    match expect {
        ExpectFile::Number(number) => wrong_numbers(gates, *number, answer),
        ExpectFile::Date(date) => wrong_dates(gates, date, answer),
        ExpectFile::Text(OneOrMany::One(text)) => wrong_texts(gates, std::slice::from_ref(text), answer),
        ExpectFile::Text(OneOrMany::Many(texts)) => wrong_texts(gates, texts, answer),
        ExpectFile::Set(members) => wrong_sets(gates, members, answer),
    }
}

/// Each of `others` instead of the right value, beside it, and all together.
fn instead_and_beside(right: &str, others: &[String], answer: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for other in others {
        wrong.push(other.clone());
        if answer.contains(right) {
            wrong.push(answer.replace(right, other));
        }
        wrong.push(format!("{answer} or {other}"));
        wrong.push(format!("{other} or {answer}"));
    }
    let mut all = answer.to_owned();
    for other in others {
        if all.len() + other.len() + 2 <= ANSWER_LENGTH_MAX {
            all = format!("{all}, {other}");
        }
    }
    if all != answer {
        wrong.push(all);
    }
    wrong
}

fn wrong_numbers(gates: &Gates<'_>, number: f64, answer: &str) -> Vec<String> {
    let known = facts(&format!("{} {answer}", gates.task.asked()));
    let is_known = |other: f64| known.numbers.iter().chain(&known.worded).any(|known| (known - other).abs() < 1e-6);
    let mut others: Vec<f64> = vec![number - 1.0, number + 1.0, number * 100.0, number / 100.0, -number];
    others.extend(gates.played.observed().iter().filter_map(|(_, value)| value.as_f64()));
    others.retain(|other| !is_known(*other) && (other - number).abs() > 1e-6);
    others.truncate(OTHERS_MAX);
    let others: Vec<String> = others.iter().map(f64::to_string).collect();
    let right = if answer.contains(&number.to_string()) { number.to_string() } else { format!("{number:.2}") };
    instead_and_beside(&right, &others, answer)
}

fn wrong_dates(gates: &Gates<'_>, date: &str, answer: &str) -> Vec<String> {
    let Ok(day) = date.parse::<jiff::civil::Date>() else { return Vec::new() };
    let days = [day.checked_sub(1.day()), day.checked_add(1.day()), day.checked_add(1.month())];
    let known = facts(&format!("{} {answer}", gates.task.asked()));
    let others: Vec<String> = days
        .into_iter()
        .flatten()
        .map(|day| day.to_string())
        .filter(|other| !facts(other).dates.iter().any(|other| known.dates.contains(other)))
        .collect();
    instead_and_beside(date, &others, answer)
}

fn wrong_texts(gates: &Gates<'_>, texts: &[String], answer: &str) -> Vec<String> {
    let others = neighbours(gates, texts);
    let others: Vec<String> = others.into_iter().take(OTHERS_MAX).collect();
    let right = texts.iter().find(|text| answer.contains(text.as_str())).map_or(answer, String::as_str);
    instead_and_beside(right, &others, answer)
}

fn wrong_sets(gates: &Gates<'_>, members: &[String], answer: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for left_out in members {
        let others: Vec<&str> = members.iter().filter(|member| *member != left_out).map(String::as_str).collect();
        wrong.push(others.join(", "));
    }
    for other in neighbours(gates, members).into_iter().take(OTHERS_MAX) {
        wrong.push(format!("{answer}, {other}"));
    }
    wrong
}

/// Other texts from where an expected one comes from: seen under the same member names, or standing in the same columns;
/// without those that the instruction or the answer has.
fn neighbours(gates: &Gates<'_>, texts: &[String]) -> BTreeSet<String> {
    let wanted: Vec<String> = texts.iter().map(|text| normal(text)).collect();
    let known = format!(" {} ", normal(&format!("{} {}", gates.task.asked(), gates.task.answer().unwrap_or_default())));
    let holds_wanted = |text: &str| wanted.iter().any(|wanted| contains_phrase(text, wanted));
    let is_known = |text: &str| known.contains(&format!(" {text} "));
    let values = gates.played.observed();
    let seen: Vec<(&String, &str, String)> =
        values.iter().filter_map(|(name, value)| value.as_str().map(|text| (name, text, normal(text)))).collect();
    let names: BTreeSet<&String> =
        seen.iter().filter(|(_, _, text)| holds_wanted(text)).map(|(name, ..)| *name).collect();
    let beside =
        seen.iter().filter(|(name, ..)| names.contains(name)).map(|(_, text, normal)| (*text, normal.as_str()));
    let columns = gates.ground.texts.iter();
    let same_columns = columns.filter(|column| column.iter().any(|(_, text)| holds_wanted(text) && is_known(text)));
    let in_columns = same_columns.flatten().map(|(text, normal)| (text.as_str(), normal.as_str()));
    let is_other =
        |normal: &str| !normal.is_empty() && !wanted.iter().any(|wanted| wanted == normal) && !is_known(normal);
    let others = beside.chain(in_columns).filter(|(_, normal)| is_other(normal));
    others.map(|(text, _)| text.to_owned()).collect()
}

/// The texts of every column of the initial database.
pub(super) fn text_columns(initial: &Snapshot) -> Vec<TextColumn> {
    let mut columns = Vec::new();
    for rows in initial.values() {
        let width = rows.values().next().map_or(0, Vec::len);
        for column in 0..width {
            let text = |row: &Row| match &row[column] {
                Cell::Text(text) => Some((text.to_string(), normal(text))),
                _ => None,
            };
            let texts: TextColumn = rows.values().filter_map(text).collect();
            if !texts.is_empty() {
                columns.push(texts);
            }
        }
    }
    columns
}

/// Every number and text of the initial database, each once, table by table and row by row.
pub(super) fn values(initial: &Snapshot) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let cells = initial.values().flat_map(|rows| rows.values()).flatten();
    let told = cells.filter(|cell| matches!(cell, Cell::Integer(_) | Cell::Real(_)) || cell.is_worded());
    told.map(|cell| plain(&cell.to_json())).filter(|text| seen.insert(text.clone())).collect()
}
