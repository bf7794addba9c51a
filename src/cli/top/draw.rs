//! A view of a farm on a terminal, and as plain text. Pure: it draws what it is given.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as TableRow, Sparkline, Table};

use super::view::{Row, Sort, View};

const HELP: &str = "q, Esc  quit\ns       sort by another column\np       pause and go on\n?       this help\n\nRates and quantiles are \
                    about the time between two looks.\nrefused counts invalid arguments and unknown tools, too.";

const COLUMNS: [&str; 7] = ["environment", "calls/s", "p50", "p99", "refused", "faulted", "calls"];

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub view: Option<View>,
    /// Calls a second, the newest last.
    pub history: VecDeque<u64>,
    /// Why there is nothing newer.
    pub problem: Option<String>,
    pub sort: Sort,
    pub paused: bool,
    pub help: bool,
}

pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let areas =
        Layout::vertical([Constraint::Length(4), Constraint::Length(5), Constraint::Min(3), Constraint::Length(1)]);
    let [header, rates, table, footer] = areas.areas(frame.area());
    if let Some(view) = &screen.view {
        frame.render_widget(Paragraph::new(summary(view)), header);
        draw_history(frame, screen, view, rates);
        draw_table(frame, screen, view, table);
    }
    let state = match (&screen.problem, screen.paused) {
        (Some(problem), _) => Span::styled(problem.clone(), Style::new().fg(Color::Red)),
        (None, true) => Span::styled("paused", Style::new().fg(Color::Yellow)),
        (None, false) => Span::raw(format!("sorted by {}", screen.sort.as_str())),
    };
    // What is wrong needs all the room there is.
    let keys = if screen.problem.is_none() { "q quit  s sort  p pause  ? help   " } else { "" };
    let keys = Span::styled(keys, Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Paragraph::new(Line::from(vec![keys, state])), footer);
    if screen.help {
        let [area] = Layout::horizontal([Constraint::Length(66)]).areas(centred(frame.area(), 66, 9));
        frame.render_widget(Clear, area);
        frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" envfarm top ")), area);
    }
}

fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// The lines above everything.
fn summary(view: &View) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines: Vec<Line<'static>> = summary_text(view).into_iter().map(Line::from).collect();
    if let Some(first) = lines.first_mut() {
        *first = std::mem::take(first).patch_style(bold);
    }
    lines
}

fn summary_text(view: &View) -> Vec<String> {
    let live = View::count(&view.episodes, "live");
    let limit = view.live_episodes_max.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let ended = view.episodes.iter().filter(|state| state.name != "live" && state.count > 0);
    let ended: String = ended.fold(String::new(), |mut text, state| {
        let _ = write!(text, ", {} {}", state.count, state.name);
        text
    });
    let outcomes = view.outcomes.iter().filter(|outcome| outcome.count > 0);
    let outcomes: Vec<String> = outcomes.map(|outcome| format!("{} {}", outcome.name, outcome.count)).collect();
    let outcomes = if outcomes.is_empty() { "none yet".to_owned() } else { outcomes.join("  ") };
    vec![
        format!("envfarm {}  {}  up {}", view.version, view.url, uptime(view.uptime_s)),
        format!("episodes {live}{limit} live{ended}"),
        format!(
            "memory {}  overlays {}",
            view.resident_bytes.map_or_else(|| "unknown".to_owned(), bytes),
            bytes(view.overlay_bytes)
        ),
        format!("calls {outcomes}"),
    ]
}

fn draw_history(frame: &mut Frame<'_>, screen: &Screen, view: &View, area: Rect) {
    let title = format!(
        " {} calls/s   p50 {}   p99 {} ",
        rate(view.calls_per_s),
        duration(view.call_p50_s),
        duration(view.call_p99_s)
    );
    let block = Block::bordered().title(title);
    let width = usize::from(block.inner(area).width);
    let shown: Vec<u64> = screen.history.iter().rev().take(width).rev().copied().collect();
    frame.render_widget(Sparkline::default().data(&shown).style(Style::new().fg(Color::Cyan)).block(block), area);
}

fn draw_table(frame: &mut Frame<'_>, screen: &Screen, view: &View, area: Rect) {
    let mut rows = view.environments.clone();
    screen.sort.sort(&mut rows);
    let right = |text: String| Cell::from(Line::from(text).alignment(Alignment::Right));
    let rows = rows.into_iter().map(|row| {
        let style = if row.faulted > 0 { Style::new().fg(Color::Red) } else { Style::new() };
        let [name, rest @ ..] = cells(&row);
        TableRow::new(std::iter::once(Cell::from(name)).chain(rest.map(right))).style(style)
    });
    let [name, rest @ ..] = COLUMNS.map(str::to_owned);
    let header = TableRow::new(std::iter::once(Cell::from(name)).chain(rest.map(right)));
    let widths = [Constraint::Min(20)].into_iter().chain([Constraint::Length(9); 6]);
    frame.render_widget(Table::new(rows, widths).header(header.style(Style::new().fg(Color::Green))), area);
}

fn cells(row: &Row) -> [String; 7] {
    [
        row.name.clone(),
        rate(row.calls_per_s),
        duration(row.call_p50_s),
        duration(row.call_p99_s),
        format!("{:.1} %", row.refused_percent),
        row.faulted.to_string(),
        row.calls.to_string(),
    ]
}

/// The view as text, for a pipe.
pub(super) fn text(view: &View, sort: Sort) -> String {
    let mut text = summary_text(view).join("\n");
    let _ = write!(
        text,
        "\n{} calls/s  p50 {}  p99 {}  (over {})\n",
        rate(view.calls_per_s),
        duration(view.call_p50_s),
        duration(view.call_p99_s),
        uptime(view.window_s)
    );
    let mut rows = view.environments.clone();
    sort.sort(&mut rows);
    let lines = std::iter::once(COLUMNS.map(str::to_owned)).chain(rows.iter().map(cells));
    let lines: Vec<[String; 7]> = if rows.is_empty() { Vec::new() } else { lines.collect() };
    let width = lines.iter().map(|[name, ..]| name.len()).max().unwrap_or_default();
    for [name, rest @ ..] in lines {
        let _ = write!(text, "\n{name:width$}");
        for cell in rest {
            let _ = write!(text, "{cell:>10}");
        }
    }
    if !rows.is_empty() {
        text.push('\n');
    }
    text
}

fn rate(per_s: f64) -> String {
    if per_s < 100.0 { format!("{per_s:.1}") } else { format!("{per_s:.0}") }
}

fn duration(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 1e-3 => format!("{:.0} us", seconds * 1e6),
        Some(seconds) if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

fn uptime(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds.clamp(0.0, 1e12)).as_secs();
    match (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::view::tests::exposition;
    use super::*;

    fn screen() -> Screen {
        let before = exposition(100, 5.0);
        let mut now = exposition(300, 5.0);
        now.at = before.at + Duration::from_secs(2);
        let mut view = View::new("http://127.0.0.1:8700", Some(&before), &now);
        view.uptime_s = 3_725.0;
        Screen { view: Some(view), history: [0, 50, 100].into(), ..Screen::default() }
    }

    fn drawn(screen: &Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, screen)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |row: u16| (0..width).map(|column| buffer[(column, row)].symbol()).collect::<String>();
        (0..height).map(|row| line(row).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_farm_is_drawn() {
        let mut screen = screen();
        let lines = drawn(&screen, 80, 14);
        assert_eq!(lines[0], "envfarm 9.9.9  http://127.0.0.1:8700  up 1 h 2 min");
        assert_eq!(lines[1], "episodes 12 of 10000 live");
        assert_eq!(lines[2], "memory 48.0 MiB  overlays 2.0 KiB");
        assert_eq!(lines[3], "calls completed 270  refused 30  faulted 2");
        assert!(lines[4].contains("100 calls/s   p50 18 us   p99 25 us"), "{lines:#?}");
        assert!(lines[7].contains('█') && lines[5].contains('█'), "{lines:#?}");
        assert_eq!(lines[9].split_whitespace().collect::<Vec<_>>(), COLUMNS);
        assert_eq!(
            lines[10].split_whitespace().collect::<Vec<_>>(),
            ["shop", "100", "18", "us", "25", "us", "10.0", "%", "0", "300"]
        );
        assert_eq!(lines[11].split_whitespace().next(), Some("bank"));
        assert!(lines[13].ends_with("sorted by calls/s"), "{lines:#?}");

        screen.sort = Sort::Name;
        assert!(drawn(&screen, 80, 14)[10].starts_with("bank"));
        screen.paused = true;
        assert!(drawn(&screen, 80, 14)[13].ends_with("paused"));
        screen.problem = Some("nothing listens".to_owned());
        assert!(drawn(&screen, 80, 14)[13].ends_with("nothing listens"));
        screen.help = true;
        assert!(drawn(&screen, 80, 14).iter().any(|line| line.contains("sort by another column")));
    }

    #[test]
    fn any_size_can_be_drawn() {
        let mut screen = screen();
        screen.help = true;
        for (width, height) in [(1, 1), (10, 3), (300, 2), (20, 100)] {
            drawn(&screen, width, height);
            drawn(&Screen::default(), width, height);
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([bytes(1_023), bytes(1_536), bytes(5 << 30)], ["1023 B", "1.5 KiB", "5.0 GiB"]);
        assert_eq!([uptime(59.0), uptime(61.0), uptime(90_000.0)], ["59 s", "1 min 1 s", "1 d 1 h"]);
        assert_eq!([duration(None), duration(Some(0.002)), duration(Some(2.0))], ["-", "2.0 ms", "2.0 s"]);
    }
}
