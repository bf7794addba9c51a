//! What two expositions say about the time between them.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;

use super::scrape::Exposition;
use crate::metrics::{Outcome, STATES};

/// The document that `envfarm top --once --json` prints; times in seconds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::cli) struct View {
    /// Where the farm is.
    pub url: String,
    /// Its version.
    pub version: String,
    /// How long it has been running.
    pub uptime_s: f64,
    /// How long the time is that rates and quantiles are about: all of it in a single snapshot.
    pub window_s: f64,
    /// Episodes held, by state.
    pub episodes: Vec<Count>,
    /// Most episodes that it may hold.
    pub live_episodes_max: Option<u64>,
    /// Calls in all.
    pub calls: u64,
    /// Calls a second.
    pub calls_per_s: f64,
    /// Median time of a call; none where there was none.
    pub call_p50_s: Option<f64>,
    /// What 99 of 100 calls don't exceed.
    pub call_p99_s: Option<f64>,
    /// Calls by how they came out.
    pub outcomes: Vec<Count>,
    /// Memory of the process.
    pub resident_bytes: Option<u64>,
    /// Bytes of the pages that episodes have written.
    pub overlay_bytes: u64,
    /// Environments that have been used.
    pub environments: Vec<Row>,
}

/// How many of something there are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::cli) struct Count {
    /// Of what.
    pub name: String,
    /// In all.
    pub count: u64,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::cli) struct Row {
    /// Its name.
    pub name: String,
    /// Calls in all.
    pub calls: u64,
    /// Calls a second.
    pub calls_per_s: f64,
    /// How many of 100 calls are refused or have invalid arguments.
    pub refused_percent: f64,
    /// Calls that met a defect, in all.
    pub faulted: u64,
    /// Median time of a call; none where there was none.
    pub call_p50_s: Option<f64>,
    /// What 99 of 100 calls don't exceed.
    pub call_p99_s: Option<f64>,
}

/// What the table is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    /// The busiest first.
    #[default]
    Calls,
    /// The most often refused first.
    Refused,
    /// The most defective first.
    Faulted,
    /// By name.
    Name,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Calls => Self::Refused,
            Self::Refused => Self::Faulted,
            Self::Faulted => Self::Name,
            Self::Name => Self::Calls,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls/s",
            Self::Refused => "refused",
            Self::Faulted => "faulted",
            Self::Name => "name",
        }
    }

    pub(super) fn sort(self, rows: &mut [Row]) {
        // They come by name, and the sort is stable.
        match self {
            Self::Calls => {
                rows.sort_by(|one, other| {
                    other.calls_per_s.total_cmp(&one.calls_per_s).then(other.calls.cmp(&one.calls))
                });
            }
            Self::Refused => rows.sort_by(|one, other| other.refused_percent.total_cmp(&one.refused_percent)),
            Self::Faulted => rows.sort_by_key(|row| std::cmp::Reverse(row.faulted)),
            Self::Name => rows.sort_by(|one, other| one.name.cmp(&other.name)),
        }
    }
}

const CALLS: &str = "envfarm_calls_total";
const CALL_SECONDS: &str = "envfarm_call_duration_seconds";

/// What grew between two expositions, or since the start where there is no earlier one.
struct Growth<'e> {
    before: Option<&'e Exposition>,
    now: &'e Exposition,
    window_s: f64,
}

impl Growth<'_> {
    fn of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let value = |exposition: &Exposition| exposition.value(name, labels).unwrap_or_default();
        value(self.now) - self.before.map_or(0.0, value)
    }

    fn per_s(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        if self.window_s > 0.0 { self.of(name, labels) / self.window_s } else { 0.0 }
    }

    /// A quantile of the calls in between, as Prometheus' `histogram_quantile` finds it: within a bucket it takes them as evenly
    /// spread.
    fn quantile(&self, quantile: f64, labels: &[(&str, &str)]) -> Option<f64> {
        let mut buckets = self.now.histogram(CALL_SECONDS, labels);
        if let Some(before) = self.before {
            for ((_, count), (_, earlier)) in buckets.iter_mut().zip(before.histogram(CALL_SECONDS, labels)) {
                *count -= earlier;
            }
        }
        let total = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let rank = quantile * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in buckets {
            if count >= rank && count > below {
                // Of what is beyond the last bound nothing more is known.
                let width = if bound.is_finite() { bound - lower } else { 0.0 };
                return Some(lower + width * (rank - below) / (count - below));
            }
            (lower, below) = (bound, count);
        }
        None
    }
}

impl View {
    /// The farm now, with rates since `before`, or since its start without.
    pub(super) fn new(url: &str, before: Option<&Exposition>, now: &Exposition) -> Self {
        let value = |name: &str, labels: &[(&str, &str)]| now.value(name, labels);
        let started_s =
            |exposition: &Exposition| exposition.value("process_start_time_seconds", &[]).unwrap_or_default();
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let uptime_s = (unix_s - started_s(now)).max(0.0);
        // After a restart the counters begin again.
        let before = before.filter(|before| started_s(before).total_cmp(&started_s(now)).is_eq());
        let window = before.map(|before| now.at.saturating_duration_since(before.at));
        let growth = Growth { before, now, window_s: window.as_ref().map_or(uptime_s, Duration::as_secs_f64) };
        let count = |name: &str, value: Option<f64>| Count { name: name.to_owned(), count: whole(value) };
        let names: BTreeSet<&str> = now.all(CALLS).iter().filter_map(|series| series.label("environment")).collect();
        let version = now.all("envfarm_build_info").iter().find_map(|series| series.label("version"));
        Self {
            url: url.to_owned(),
            version: version.unwrap_or("unknown").to_owned(),
            uptime_s,
            window_s: growth.window_s,
            episodes: STATES.iter().map(|state| count(state, value("envfarm_episodes", &[("state", state)]))).collect(),
            live_episodes_max: value("envfarm_limit", &[("name", "live_episodes_max")]).map(|limit| whole(Some(limit))),
            calls: whole(value(CALLS, &[])),
            calls_per_s: growth.per_s(CALLS, &[]),
            call_p50_s: growth.quantile(0.5, &[]),
            call_p99_s: growth.quantile(0.99, &[]),
            outcomes: Outcome::ALL
                .iter()
                .map(|outcome| count(outcome.as_str(), value(CALLS, &[("outcome", outcome.as_str())])))
                .collect(),
            resident_bytes: value("process_resident_memory_bytes", &[]).map(|bytes| whole(Some(bytes))),
            overlay_bytes: whole(value("envfarm_overlay_bytes", &[])),
            environments: names.into_iter().map(|name| Row::new(name, &growth)).collect(),
        }
    }

    /// How many there are of a name.
    pub(super) fn count(counts: &[Count], name: &str) -> u64 {
        counts.iter().find(|count| count.name == name).map_or(0, |count| count.count)
    }
}

impl Row {
    fn new(name: &str, growth: &Growth<'_>) -> Self {
        let environment = [("environment", name)];
        let grew = |outcome: Outcome| growth.of(CALLS, &[("environment", name), ("outcome", outcome.as_str())]);
        let refused = grew(Outcome::Refused) + grew(Outcome::InvalidArguments) + grew(Outcome::UnknownTool);
        let calls = growth.of(CALLS, &environment);
        let faulted = growth.now.value(CALLS, &[("environment", name), ("outcome", Outcome::Faulted.as_str())]);
        Self {
            name: name.to_owned(),
            calls: whole(growth.now.value(CALLS, &environment)),
            calls_per_s: growth.per_s(CALLS, &environment),
            refused_percent: if calls > 0.0 { 100.0 * refused / calls } else { 0.0 },
            faulted: whole(faulted),
            call_p50_s: growth.quantile(0.5, &environment),
            call_p99_s: growth.quantile(0.99, &environment),
        }
    }
}

/// A count, which an exposition has as a floating-point number.
fn whole(value: Option<f64>) -> u64 {
    value.map_or(0, |value| value.max(0.0) as u64)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    /// An exposition with that many calls of 20 us (refused every tenth) and one of 3 ms.
    pub(in super::super) fn exposition(calls: u64, started_s: f64) -> Exposition {
        let refused = calls / 10;
        let fast = calls - 1;
        Exposition::read(&format!(
            "envfarm_build_info{{version=\"9.9.9\"}} 1\nprocess_start_time_seconds {started_s}\n\
             envfarm_calls_total{{environment=\"shop\",outcome=\"completed\"}} {}\n\
             envfarm_calls_total{{environment=\"shop\",outcome=\"refused\"}} {refused}\n\
             envfarm_calls_total{{environment=\"bank\",outcome=\"faulted\"}} 2\n\
             envfarm_call_duration_seconds_bucket{{environment=\"shop\",le=\"1e-05\"}} 0\n\
             envfarm_call_duration_seconds_bucket{{environment=\"shop\",le=\"2.5e-05\"}} {fast}\n\
             envfarm_call_duration_seconds_bucket{{environment=\"shop\",le=\"0.005\"}} {calls}\n\
             envfarm_call_duration_seconds_bucket{{environment=\"shop\",le=\"+Inf\"}} {calls}\n\
             envfarm_episodes{{state=\"live\"}} 12\nenvfarm_limit{{name=\"live_episodes_max\"}} 10000\n\
             envfarm_overlay_bytes 2048\nprocess_resident_memory_bytes 50331648\n",
            calls - refused
        ))
    }

    #[test]
    fn rates_are_those_between_two_snapshots() {
        let before = exposition(100, 5.0);
        let mut now = exposition(300, 5.0);
        now.at = before.at + Duration::from_secs(2);
        let view = View::new("u", Some(&before), &now);
        assert_eq!((view.calls, view.version.as_str(), view.live_episodes_max), (302, "9.9.9", Some(10_000)));
        assert!((view.calls_per_s - 100.0).abs() < 1e-9, "{view:?}");
        // The middle of 200 calls in the bucket from 10 to 25 us.
        assert!((view.call_p50_s.unwrap() - 17.5e-6).abs() < 1e-9, "{view:?}");
        let [bank, shop] = &view.environments[..] else { panic!("{view:?}") };
        assert!((shop.refused_percent - 10.0).abs() < 1e-9, "{shop:?}");
        assert_eq!((bank.faulted, bank.calls, bank.call_p99_s), (2, 2, None));
        // A restart in between: the counters have begun again, and so has the time.
        let restarted = View::new("u", Some(&exposition(900, 4.0)), &now);
        assert!(restarted.calls_per_s > 0.0 && restarted.window_s > 1e9, "{restarted:?}");
    }

    #[test]
    fn the_table_is_sorted() {
        let mut rows = View::new("u", None, &exposition(100, 5.0)).environments;
        let names = |rows: &[Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        for (sort, first) in
            [(Sort::Calls, "shop"), (Sort::Refused, "shop"), (Sort::Faulted, "bank"), (Sort::Name, "bank")]
        {
            sort.sort(&mut rows);
            assert_eq!(names(&rows)[0], first, "{sort:?}");
        }
    }
}
