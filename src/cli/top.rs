//! `envfarm top`: a running farm, live on the terminal.

mod draw;
mod scrape;
mod view;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::draw::Screen;
use self::scrape::{Client, Exposition};
use self::view::Sort;
pub(super) use self::view::View;
use super::{Failure, print};

/// Points of the sparkline that are kept: wider than any terminal.
const HISTORY_MAX: usize = 1_000;

/// How often the keyboard is looked at.
const KEYS_INTERVAL: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "Examples:
  envfarm top
  envfarm top --url http://farm.example:8700 --token-file admin.token
  envfarm top --once --json | jq .calls_per_s       rates since the server started

Keys: q quit, s sort, p pause, ? help.

Exit codes: 0 done, 1 the farm can't be reached or refuses, 2 usage.";

/// Watch a running farm
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Where the farm is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700", env = "ENVFARM_URL")]
    url: String,
    /// File with the admin token, where the farm asks for one; else ENVFARM_ADMIN_TOKEN has it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Milliseconds between two looks
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    interval_ms: u64,
    /// Print one snapshot and end; its rates are averages since the server started
    #[arg(long)]
    once: bool,
    /// Print the snapshot as one JSON document
    #[arg(long, requires = "once")]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    // Not an option with `env`: --help would show the token.
    let token = std::env::var("ENVFARM_ADMIN_TOKEN").ok();
    let client = Client::new(&options.url, options.token_file.as_deref(), token.as_deref())?;
    // Asked before the terminal is taken over, so that what is wrong is read in peace.
    let first = client.scrape().map_err(Failure::failed)?;
    if options.once {
        let view = View::new(client.url(), None, &first);
        if !options.json {
            return print(&draw::text(&view, Sort::default()));
        }
        let document = serde_json::to_string_pretty(&view);
        let document = document.map_err(|err| Failure::internal(format!("failed to write the snapshot: {err}")))?;
        return print(&format!("{document}\n"));
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::usage("this is no terminal; --once prints one snapshot"));
    }
    let url = client.url().to_owned();
    let snapshots = poll(client, Duration::from_millis(options.interval_ms));
    // It restores the terminal also when something panics.
    let terminal = ratatui::try_init();
    let shown = terminal.and_then(|mut terminal| watch(&mut terminal, &url, first, &snapshots));
    ratatui::restore();
    shown.map_err(|err| Failure::failed(format!("failed to use the terminal: {err}")))
}

/// Snapshots from a thread of their own, so that a slow server doesn't hold up the keyboard.
fn poll(client: Client, interval: Duration) -> Receiver<Result<Exposition, String>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut due = Instant::now();
        loop {
            due = (due + interval).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(client.scrape()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn watch(
    terminal: &mut DefaultTerminal,
    url: &str,
    first: Exposition,
    snapshots: &Receiver<Result<Exposition, String>>,
) -> io::Result<()> {
    let mut screen = Screen { view: Some(View::new(url, None, &first)), ..Screen::default() };
    let mut last = first;
    loop {
        while let Ok(snapshot) = snapshots.try_recv() {
            // A paused screen stands still, and what comes meanwhile is let go of.
            if screen.paused {
                continue;
            }
            match snapshot {
                Ok(now) => {
                    screen.show(View::new(url, Some(&last), &now));
                    last = now;
                }
                Err(problem) => screen.problem = Some(problem),
            }
        }
        terminal.draw(|frame| draw::draw(frame, &screen))?;
        if event::poll(KEYS_INTERVAL)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && !screen.press(key)
        {
            return Ok(());
        }
    }
}

impl Screen {
    fn show(&mut self, view: View) {
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(view.calls_per_s.round().max(0.0) as u64);
        self.view = Some(view);
        self.problem = None;
    }

    /// Does what a key is for; false for those that end it.
    fn press(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Char('?' | 'h') => self.help = !self.help,
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_help_says() {
        let mut screen = Screen::default();
        let mut press = |letter| screen.press(KeyEvent::new(letter, KeyModifiers::NONE));
        assert!(press(KeyCode::Char('s')) && press(KeyCode::Char('p')) && press(KeyCode::Char('?')));
        assert!(press(KeyCode::Esc), "closes the help first");
        assert!(!press(KeyCode::Char('q')) && !press(KeyCode::Esc));
        assert!(screen.paused && !screen.help);
        assert_eq!(screen.sort, Sort::Refused);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(!screen.press(interrupt));
    }
}
