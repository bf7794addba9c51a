//! Values as people write them: the formats of a slot such as `{day:date}`.
//!
//! Every form is one that the judge reads back (`engine::answer::facts`), so that what an instruction says can be traced.

use jiff::civil::{Date, DateTime, Time, Weekday};
use serde_json::Value;

use super::nouns::humanise;
use crate::synth::rng::Rng;

/// Names of the formats; a slot without one has its value as it is.
const FORMATS: &[&str] = &["date", "lower", "money", "month", "number", "time", "weekday", "when", "words"];

/// Whole numbers from here on may have commas: below, they could be years.
const GROUPED_FROM: u64 = 10_000;

/// How a day is written. No form begins with `the`: clauses say `my {day:date} order` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayForm {
    /// `March 14`.
    MonthFirst,
    /// `March 14th`.
    Ordinal,
    /// `14 March`.
    DayFirst,
    /// `Saturday, March 14`.
    WeekdayMonthFirst,
    /// `Saturday, 14 March`.
    WeekdayDayFirst,
    /// `Mar 14`.
    Short,
    /// `2026-03-14`.
    Iso,
}

/// How an amount is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MoneyForm {
    /// `$84.50`.
    Symbol,
    /// `$84` where there are no cents.
    SymbolShort,
    /// `84.50 dollars`.
    Words,
    /// `84 dollars` where there are no cents.
    WordsShort,
}

/// How one text writes days, times and amounts, so that it is consistent with itself.
#[derive(Debug, Clone)]
pub(crate) struct Formats {
    /// The day of the environment's clock.
    today: Date,
    /// How days are written.
    day: DayForm,
    /// How amounts are written.
    money: MoneyForm,
    /// `2:30 pm` rather than `14:30`.
    half_day: bool,
    /// Commas between thousands.
    grouped: bool,
}

impl Formats {
    /// The forms for one text; `today` is the day of the environment's clock, whose year goes without saying.
    pub(crate) fn choose(today: Date, rng: &mut Rng) -> Self {
        let days = [
            DayForm::MonthFirst,
            DayForm::MonthFirst,
            DayForm::Ordinal,
            DayForm::DayFirst,
            DayForm::DayFirst,
            DayForm::WeekdayMonthFirst,
            DayForm::WeekdayDayFirst,
            DayForm::Short,
            DayForm::Iso,
        ];
        let amounts = [
            MoneyForm::Symbol,
            MoneyForm::Symbol,
            MoneyForm::SymbolShort,
            MoneyForm::SymbolShort,
            MoneyForm::Words,
            MoneyForm::WordsShort,
        ];
        Self {
            today,
            day: rng.pick(&days).copied().unwrap_or(DayForm::MonthFirst),
            money: rng.pick(&amounts).copied().unwrap_or(MoneyForm::Symbol),
            half_day: rng.chance(0.4),
            grouped: rng.chance(0.7),
        }
    }
}

/// The text of a value in a slot with this format (empty: as it is); an error says what doesn't fit.
pub(crate) fn format_slot(value: &Value, format: &str, formats: &Formats) -> Result<String, String> {
    match format {
        "" => as_it_is(value),
        "money" => money(value, formats),
        "number" => number(value, formats),
        "date" => Ok(shown_day(day(value, format)?, formats)),
        "weekday" => Ok(weekday(day(value, format)?).to_owned()),
        "month" => month(value, formats),
        "time" => Ok(shown_time(time(value)?, formats)),
        "when" => when(value, formats),
        "words" => text(value, format).map(|text| proper(humanise(text))),
        "lower" => text(value, format).map(str::to_lowercase),
        _ => Err(format!("unknown format `{format}`; there are {}", FORMATS.join(", "))),
    }
}

/// A text or a number without a format.
fn as_it_is(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(proper(text.clone())),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("{value} can't stand in a text")),
    }
}

/// Weekdays and months with a capital, as people write them; schemas have them in small letters.
fn proper(text: String) -> String {
    const NAMES: &[&str] = &[
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if NAMES.contains(&text.as_str()) { super::nouns::sentence_case(&text) } else { text }
}

/// The text of a value that must be one.
fn text<'v>(value: &'v Value, format: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| mismatch(value, format, "a text"))
}

/// The error for a value that a format can't write.
fn mismatch(value: &Value, format: &str, wanted: &str) -> String {
    format!("the format `{format}` wants {wanted}, not {value}")
}

/// Cents as dollars.
fn money(value: &Value, formats: &Formats) -> Result<String, String> {
    let cents = value.as_i64().ok_or_else(|| mismatch(value, "money", "whole cents"))?;
    let whole = cents.unsigned_abs() / 100;
    let rest = cents.unsigned_abs() % 100;
    let sign = if cents < 0 { "-" } else { "" };
    let dollars = if formats.grouped { grouped(whole) } else { whole.to_string() };
    let exact = format!("{dollars}.{rest:02}");
    let short = if rest == 0 { dollars } else { exact.clone() };
    Ok(match formats.money {
        MoneyForm::Symbol => format!("{sign}${exact}"),
        MoneyForm::SymbolShort => format!("{sign}${short}"),
        MoneyForm::Words => format!("{sign}{exact} dollars"),
        MoneyForm::WordsShort if cents.unsigned_abs() == 100 => format!("{sign}{short} dollar"),
        MoneyForm::WordsShort => format!("{sign}{short} dollars"),
    })
}

/// A number in digits.
fn number(value: &Value, formats: &Formats) -> Result<String, String> {
    if let Some(whole) = value.as_i64() {
        let size = whole.unsigned_abs();
        let sign = if whole < 0 { "-" } else { "" };
        let digits = if formats.grouped && size >= GROUPED_FROM { grouped(size) } else { size.to_string() };
        return Ok(format!("{sign}{digits}"));
    }
    let number = value.as_f64().ok_or_else(|| mismatch(value, "number", "a number"))?;
    // Display writes no exponent, and the shortest digits that read back the same.
    Ok(number.to_string())
}

/// Digits with a comma before every three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The day of `2026-03-14`, alone or with a time behind it.
fn day(value: &Value, format: &str) -> Result<Date, String> {
    let wrong = || mismatch(value, format, "a day or a time, as in 2026-03-14 or 2026-03-14T14:30:00Z");
    let text = value.as_str().ok_or_else(wrong)?;
    let alone = text.len() == 10 || text.get(10..11).is_some_and(|mark| mark == "T" || mark == " ");
    let day = text.get(..10).filter(|_| alone).ok_or_else(wrong)?;
    day.parse().map_err(|_| wrong())
}

/// The time of `2026-03-14T14:30:00Z` or of `14:30`.
fn time(value: &Value) -> Result<Time, String> {
    let wrong = || mismatch(value, "time", "a time, as in 2026-03-14T14:30:00Z or 14:30");
    let text = value.as_str().ok_or_else(wrong)?.trim_end_matches('Z');
    match text.parse::<DateTime>() {
        Ok(moment) if text.len() > 10 => Ok(moment.time()),
        _ => text.parse().map_err(|_| wrong()),
    }
}

/// A day in the form of this text.
fn shown_day(day: Date, formats: &Formats) -> String {
    let name = month_name(day.month());
    let number = day.day();
    let other_year = day.year() != formats.today.year();
    // American order has a comma before the year, European order none.
    let (comma_year, plain_year) = if other_year {
        (format!(", {}", day.year()), format!(" {}", day.year()))
    } else {
        (String::new(), String::new())
    };
    match formats.day {
        DayForm::MonthFirst => format!("{name} {number}{comma_year}"),
        DayForm::Ordinal => format!("{name} {number}{}{comma_year}", ordinal(number)),
        DayForm::DayFirst => format!("{number} {name}{plain_year}"),
        DayForm::WeekdayMonthFirst => format!("{}, {name} {number}{comma_year}", weekday(day)),
        DayForm::WeekdayDayFirst => format!("{}, {number} {name}{plain_year}", weekday(day)),
        DayForm::Short => format!("{} {number}{comma_year}", name.get(..3).unwrap_or(name)),
        DayForm::Iso => day.to_string(),
    }
}

/// A time in the form of this text.
fn shown_time(time: Time, formats: &Formats) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    if !formats.half_day {
        return format!("{hour:02}:{minute:02}");
    }
    // Minutes even where there are none: `2 pm` would read as the number 2.
    let half = if hour < 12 { "am" } else { "pm" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{hour}:{minute:02} {half}")
}

/// A day and a time.
fn when(value: &Value, formats: &Formats) -> Result<String, String> {
    let day = day(value, "when")?;
    let time = time(value).map_err(|_| mismatch(value, "when", "a time, as in 2026-03-14T14:30:00Z"))?;
    Ok(format!("{} at {}", shown_day(day, formats), shown_time(time, formats)))
}

/// The month of a day, of `2026-03`, or of a number from 1 to 12.
fn month(value: &Value, formats: &Formats) -> Result<String, String> {
    if let Some(number) = value.as_i64() {
        let number = i8::try_from(number).ok().filter(|number| (1..=12).contains(number));
        return number
            .map(|number| month_name(number).to_owned())
            .ok_or_else(|| mismatch(value, "month", "a number from 1 to 12"));
    }
    let day = match value.as_str() {
        Some(month) if month.len() == 7 => day(&Value::String(format!("{month}-01")), "month")?,
        _ => day(value, "month")?,
    };
    let name = month_name(day.month());
    let same_year = day.year() == formats.today.year();
    Ok(if same_year { name.to_owned() } else { format!("{name} {}", day.year()) })
}

/// What makes the number of a day an ordinal.
fn ordinal(number: i8) -> &'static str {
    match number {
        11..=13 => "th",
        _ if number % 10 == 1 => "st",
        _ if number % 10 == 2 => "nd",
        _ if number % 10 == 3 => "rd",
        _ => "th",
    }
}

/// The name of a month from 1 to 12.
fn month_name(month: i8) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    usize::try_from(month - 1).ok().and_then(|position| NAMES.get(position)).copied().unwrap_or_default()
}

/// The name of a day's weekday.
fn weekday(day: Date) -> &'static str {
    match day.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::engine::answer::{facts, iso_day};

    fn chosen(seed: u64) -> Formats {
        Formats::choose("2026-03-02".parse().unwrap(), &mut Rng::new(seed))
    }

    #[test]
    fn the_judge_reads_every_day_back() {
        let mut shown = BTreeSet::new();
        for seed in 0..200 {
            for day in ["2026-03-14", "2026-05-01", "2026-09-22", "2025-12-03", "2027-02-28", "2026-06-30"] {
                for (value, format) in [(json!(day), "date"), (json!(format!("{day}T09:05:00Z")), "when")] {
                    let said = format_slot(&value, format, &chosen(seed)).unwrap();
                    let text = format!("Table for 4 at 1904 Luna on {said}, 12 guests.");
                    let found = facts(&text);
                    assert_eq!(found.dates.len(), 1, "{text}");
                    assert!(found.dates[0].matches(iso_day(day).unwrap()), "{text}");
                    assert_eq!(found.numbers, [4.0, 1904.0, 12.0], "{text}");
                    if !day.starts_with("2026") {
                        assert!(said.contains(&day[..4]), "{said}");
                    }
                    shown.insert(said);
                }
            }
        }
        for said in ["March 14", "March 14th", "14 March", "Saturday, 14 March", "2026-03-14", "Mar 14", "Dec 3, 2025"]
        {
            assert!(shown.contains(said), "{said}");
        }
    }

    #[test]
    fn the_judge_reads_every_number_back() {
        for seed in 0..100 {
            for cents in [0, 5, 100, 8450, 8400, 128_450, 1_200_000, 123_456_789, -300] {
                let text = format!("It was {}.", format_slot(&json!(cents), "money", &chosen(seed)).unwrap());
                assert_eq!(facts(&text).numbers, [f64::from(cents) / 100.0], "{text}");
            }
            for number in [json!(3), json!(1284), json!(20_500), json!(4.5), json!(0.25), json!(1_000_000), json!(-7)] {
                let text = format!("It was {}.", format_slot(&number, "number", &chosen(seed)).unwrap());
                assert_eq!(facts(&text).numbers, [number.as_f64().unwrap()], "{text}");
            }
        }
    }

    #[test]
    fn times_months_and_words() {
        let said = |value: Value, format: &str| format_slot(&value, format, &chosen(1));
        let times = |value: &str| -> BTreeSet<String> {
            (0..20).map(|seed| format_slot(&json!(value), "time", &chosen(seed)).unwrap()).collect()
        };
        let both = |left: &str, right: &str| BTreeSet::from([left.to_owned(), right.to_owned()]);
        assert_eq!(times("2026-03-14T14:30:00Z"), both("14:30", "2:30 pm"));
        assert_eq!(times("2026-03-14 00:05:00"), both("00:05", "12:05 am"));
        assert_eq!(times("12:00"), both("12:00", "12:00 pm"));
        assert_eq!(said(json!("2026-03-14"), "weekday").unwrap(), "Saturday");
        assert_eq!(said(json!("2026-03-14"), "month").unwrap(), "March");
        assert_eq!(said(json!("2025-11"), "month").unwrap(), "November 2025");
        assert_eq!(said(json!(4), "month").unwrap(), "April");
        assert_eq!(said(json!("in_transit"), "words").unwrap(), "in transit");
        assert_eq!(said(json!("Grilled Sea Bass"), "lower").unwrap(), "grilled sea bass");
        assert_eq!(said(json!("as_it is"), "").unwrap(), "as_it is");
        assert_eq!(said(json!(7), "").unwrap(), "7");
        for (value, format) in [
            (json!(null), ""),
            (json!("tomorrow"), "date"),
            (json!("2026-03-14"), "time"),
            (json!("2026-03-14"), "when"),
            (json!(4.5), "money"),
            (json!("4"), "number"),
            (json!("2026-13-01"), "date"),
            (json!("x"), "dates"),
        ] {
            assert!(said(value.clone(), format).is_err(), "{value}:{format}");
        }
        for format in FORMATS {
            assert!(!said(json!("x"), format).is_err_and(|err| err.starts_with("unknown")), "{format}");
        }
    }
}
