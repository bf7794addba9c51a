//! What `envfarm bench` reports, as a document and as tables.

use std::fmt::Write;
use std::time::Instant;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;

/// The document that `envfarm bench --json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// envfarm's version.
    version: &'static str,
    /// `release` or `debug`; only the former says anything.
    build: &'static str,
    /// Cores the process may use.
    cores: usize,
    /// Seconds spent measuring.
    seconds: u32,
    /// How the HTTP rows were measured, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<&'static str>,
    #[serde(skip)]
    started: Instant,
    /// Everything measured.
    rows: Vec<Row>,
}

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Group {
    Engine,
    Start,
    Memory,
    Http,
    Farm,
    /// One tool of an environment; in the document only.
    Tool,
}

/// One line: what was measured, and its budget where there is one.
#[derive(Debug, Default, Serialize)]
pub(super) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<Group>,
    pub(super) name: String,
    /// Calls per second relative to a bare axum handler that returns the same bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calls_per_s: Option<f64>,
    /// Episodes created per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) episodes_per_s: Option<f64>,
    /// What every episode earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rewards: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99_us: Option<f64>,
    /// CPU time of the server's thread for each call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_us: Option<f64>,
    /// Bytes for each episode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget: Option<Budget>,
    /// True where the budget is exceeded.
    pub(super) over: bool,
}

/// What a row must keep to (DESIGN: performance budget).
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Budget {
    /// The median, in microseconds.
    P50UsBelow(f64),
    /// The 99th percentile, in microseconds.
    P99UsBelow(f64),
    /// Memory, in bytes.
    BytesBelow(f64),
    /// At least this many calls per second.
    CallsPerSAtLeast(f64),
    /// At least this ratio.
    RatioAtLeast(f64),
}

impl Row {
    pub(super) fn new(group: Group, name: impl Into<String>) -> Self {
        Self { group: Some(group), name: name.into(), ..Self::default() }
    }

    pub(super) fn times(mut self, p50_us: f64, p99_us: f64) -> Self {
        (self.p50_us, self.p99_us) = (Some(p50_us), Some(p99_us));
        self
    }

    pub(super) fn bytes(mut self, bytes: f64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Sets the budget and judges; to be called last.
    pub(super) fn budget(mut self, budget: Budget) -> Self {
        self.over = match budget {
            Budget::P50UsBelow(limit) => self.p50_us.is_some_and(|p50| p50 >= limit),
            Budget::P99UsBelow(limit) => self.p99_us.is_some_and(|p99| p99 >= limit),
            Budget::CallsPerSAtLeast(limit) => self.calls_per_s.is_some_and(|calls| calls < limit),
            Budget::BytesBelow(limit) => self.bytes.is_some_and(|bytes| bytes >= limit),
            Budget::RatioAtLeast(limit) => self.ratio.is_some_and(|ratio| ratio < limit),
        };
        self.budget = Some(budget);
        self
    }
}

impl Budget {
    fn shown(self) -> String {
        match self {
            Self::P50UsBelow(limit) => format!("< {}", time(limit)),
            Self::P99UsBelow(limit) => format!("p99 < {}", time(limit)),
            Self::CallsPerSAtLeast(limit) => format!(">= {limit:.0} calls/s"),
            Self::BytesBelow(limit) => format!("< {}", size(limit)),
            Self::RatioAtLeast(limit) => format!(">= {limit:.2}"),
        }
    }
}

impl Report {
    pub(super) fn new(seconds: u32) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            seconds,
            http: None,
            started: Instant::now(),
            rows: Vec::new(),
        }
    }

    /// The report with the time it has taken.
    pub(super) fn ended(mut self) -> Self {
        self.seconds = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
        self
    }

    pub(super) fn extend(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "envfarm {}, {} build, {} cores, measured for {} s\n",
            self.version, self.build, self.cores, self.seconds
        );
        if cfg!(debug_assertions) {
            text.push_str("a debug build says nothing about speed: cargo run --release -- bench\n");
        }
        let tables: [(Group, &str, &[&str]); 5] = [
            (Group::Http, "HTTP", &["ratio", "calls/s", "p50", "p99", "server CPU"]),
            (Group::Engine, "engine", &["p50", "p99"]),
            (Group::Start, "start", &["p50", "p99"]),
            (Group::Memory, "memory", &["each"]),
            (Group::Farm, "farm", &["ratio", "episodes/s", "calls/s", "p50", "p99", "seconds", "each"]),
        ];
        for (group, title, columns) in tables {
            if self.rows.iter().any(|row| row.group == Some(group)) {
                let _ = write!(text, "\n{}\n", self.table(group, title, columns));
            }
        }
        if let Some(method) = self.http {
            let _ = writeln!(text, "\n{method}");
        }
        let over = self.rows.iter().filter(|row| row.over).count();
        let _ = match over {
            0 => writeln!(text, "\nevery row is within its budget"),
            _ => writeln!(text, "\n{over} rows are over their budget"),
        };
        text
    }

    fn table(&self, group: Group, title: &str, columns: &[&str]) -> Table {
        let mut table = Table::new();
        let header = [title].into_iter().chain(columns.iter().copied()).chain(["budget", ""]);
        table.load_style(NOTHING).set_header(header);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for row in self.rows.iter().filter(|row| row.group == Some(group)) {
            let mut cells = vec![row.name.clone()];
            cells.extend(columns.iter().map(|column| row.cell(column)));
            cells.push(row.budget.map(Budget::shown).unwrap_or_default());
            let over = "OVER".if_supports_color(Stream::Stdout, |over| over.red()).to_string();
            cells.push(if row.over { over } else { String::new() });
            table.add_row(cells);
        }
        table
    }
}

impl Row {
    fn cell(&self, column: &str) -> String {
        let shown = match column {
            "ratio" => self.ratio.map(|ratio| format!("{ratio:.2}")),
            "episodes/s" => self.episodes_per_s.map(|episodes| format!("{episodes:.0}")),
            "seconds" => self.seconds.map(|seconds| format!("{seconds:.3}")),
            "calls/s" => self.calls_per_s.map(|calls| format!("{calls:.0}")),
            "p50" => self.p50_us.map(time),
            "p99" => self.p99_us.map(time),
            "server CPU" => self.server_us.map(time),
            _ => self.bytes.map(size),
        };
        shown.unwrap_or_default()
    }
}

/// A time in the unit in which it reads best.
fn time(us: f64) -> String {
    match us {
        us if us < 0.9995 => format!("{:.0} ns", us * 1e3),
        us if us < 999.5 => format!("{us:.1} us"),
        us if us < 999_500.0 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1024.0 => format!("{bytes:.0} B"),
        bytes => format!("{:.1} KiB", bytes / 1024.0),
    }
}
