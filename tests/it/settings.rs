//! Where settings of `serve` come from, and what is refused at start.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use envfarm::episode::{Episode, EpisodeLimits};
use envfarm::farm::{Farm, FarmLimits};
use serde_json::Map;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::fixtures;

/// The program in a folder of its own and without variables of ours.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_envfarm"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENVFARM_")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.0.path());
        command
    }

    /// Exit code, stdout and stderr.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
        let output = self.command(arguments).envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], variables: &[(&str, &str)], why: &str) {
        let (code, stdout, stderr) = self.run(arguments, variables);
        assert!(code == 2 && stdout.is_empty() && stderr.contains(why), "{code} {stdout}{stderr}");
    }
}

/// The line of `--print-config` about a setting, white space made even.
#[track_caller]
fn shown(text: &str, key: &str) -> String {
    let line =
        text.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap_or_else(|| panic!("{key}: {text}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_example_file_has_not_drifted() {
    let (code, printed, _) = Place::new().run(&["config"], &[]);
    assert_eq!(code, 0);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/envfarm.toml");
    let committed = fs::read_to_string(committed).unwrap();
    assert!(printed == committed, "examples/envfarm.toml has drifted: run `envfarm config > examples/envfarm.toml`");
}

#[test]
fn the_example_file_says_what_holds_anyway() {
    let place = Place::new();
    let (_, printed, _) = place.run(&["config"], &[]);
    let settings = printed.lines().filter(|line| line.starts_with('#') && !line.starts_with("# "));
    let uncommented: Vec<&str> =
        settings.filter(|line| !line.contains("not set by default")).map(|line| &line[1..]).collect();
    assert!(uncommented.len() > 20, "{uncommented:?}");
    let (_, without, _) = place.run(&["serve", "--print-config"], &[]);
    place.write("envfarm.toml", &uncommented.join("\n"));
    let (code, with, stderr) = place.run(&["serve", "--print-config"], &[]);
    assert_eq!(code, 0, "{stderr}");
    let values = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split(" # ").next()).map(|line| line.trim().to_owned()).collect()
    };
    let with = values(&with);
    let (token, with) = with.split_last().unwrap();
    assert_eq!(*with, values(&without));
    assert!(token.contains("token team_a"), "{token}");
}

#[test]
fn flags_count_over_variables_over_the_file_over_defaults() {
    let place = Place::new();
    let file = "port = 1\ncalls_max = 2\nidle_ttl_s = 0x10\njson_logs = true\nallowed_host = [\"a.example\", \"b.example\"]\njournal = \"kept\"\n";
    place.write("envfarm.toml", file);
    let arguments = ["serve", "--print-config", "--port", "3", "--json-logs=false", "--durability", "sync"];
    let (code, text, stderr) = place.run(&arguments, &[("ENVFARM_PORT", "4"), ("ENVFARM_CALLS_MAX", "5")]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(shown(&text, "port"), "port = 3 # flag");
    assert_eq!(shown(&text, "calls_max"), "calls_max = 5 # ENVFARM_CALLS_MAX");
    assert_eq!(shown(&text, "idle_ttl_s"), "idle_ttl_s = 16 # envfarm.toml:3");
    assert_eq!(shown(&text, "json_logs"), "json_logs = false # flag");
    assert_eq!(shown(&text, "allowed_host"), "allowed_host = [\"a.example\", \"b.example\"] # envfarm.toml:5");
    assert_eq!(shown(&text, "live_episodes_max"), "live_episodes_max = 10000 # default");
    // Another file, by flag or by variable.
    let other = place.write("other.toml", "port = 9\n");
    let other = other.to_str().unwrap();
    for (arguments, variables) in [
        (vec!["serve", "--print-config", "--config", other], vec![]),
        (vec!["serve", "--print-config"], vec![("ENVFARM_CONFIG", other)]),
    ] {
        let (_, text, _) = place.run(&arguments, &variables);
        assert_eq!(shown(&text, "port"), format!("port = 9 # {other}:1"));
        assert_eq!(shown(&text, "calls_max"), "calls_max = 1000 # default");
    }
    place.refuses(&["serve", "--config", "none.toml"], &[], "none.toml can't be read");
}

#[test]
fn everything_wrong_with_a_file_is_said_at_once() {
    let place = Place::new();
    let text = "prt = 80\nport = 70000\ndurability = \"sometimes\"\nallowed_host = \"x\"\nidle_ttl_s = 0\njson_logs = \"yes\"\n\
                config = \"x\"\nbase_url = \"ftp://x\"\n[[tokens]]\nname = \"Team\"\ntoken_sha256 = \"12\"\nlimit = 3\n[[tokens]]\nname = \"b\"\n";
    place.write("envfarm.toml", text);
    // A variable that counts over the file doesn't hide what is wrong with it.
    let (code, _, stderr) = place.run(&["serve", "--print-config"], &[("ENVFARM_PORT", "1")]);
    assert_eq!(code, 2);
    for said in [
        ":1: there is no setting `prt`; did you mean `port`?",
        ":2: `port` can't be \"70000\": 70000 is not in 0..=65535",
        ":3: `durability` is one of none, batch, sync, not \"sometimes\"",
        ":4: `allowed_host` takes a list of texts",
        ":5: `idle_ttl_s` can't be \"0\"",
        ":6: `json_logs` takes true or false, not this string",
        ":7: there is no setting `config`",
        ":8: `base_url` can't be \"ftp://x\": expected a URL",
        ":10: \"Team\" is not a snake_case name",
        ":11: `token_sha256` is 64 hexadecimal digits",
        ":12: there is no key of a token `limit`",
        ":13: a token has a `name`, and a `token_sha256` or `token_file`",
    ] {
        assert!(stderr.contains(&format!("envfarm.toml{said}")), "{said}\n{stderr}");
    }
    place.write("envfarm.toml", "port = \nhost = \"x\n");
    let (_, _, stderr) = place.run(&["serve"], &[]);
    assert!(stderr.contains("envfarm.toml:1: ") && stderr.contains("envfarm.toml:2: "), "{stderr}");
    let digest = "0".repeat(64);
    let twice = format!(
        "[[tokens]]\nname = \"a\"\ntoken_sha256 = \"{digest}\"\n[[tokens]]\nname = \"b\"\ntoken_sha256 = \"{digest}\"\n"
    );
    place.write("envfarm.toml", &twice);
    place.refuses(&["serve"], &[], "envfarm.toml:4: `a` and `b` have the same token");
}

#[test]
fn what_others_reach_needs_a_token() {
    let place = Place::new();
    let remote = ["serve", "--host", "0.0.0.0", "--port", "0"];
    place.refuses(&remote, &[], "no admin token is set");
    place.refuses(&remote, &[("ENVFARM_ADMIN_TOKEN", "fifteen-letters")], "at least 16 characters");
    place.refuses(&remote, &[("ENVFARM_ADMIN_TOKEN_FILE", "nowhere")], "the admin token in nowhere can't be read");
    place.refuses(&["serve", "--allow-remote"], &[], "--allow-remote");
    let token = "0123456789abcdef";
    place.write("admin.token", token);
    let both = [("ENVFARM_ADMIN_TOKEN", token), ("ENVFARM_ADMIN_TOKEN_FILE", "admin.token")];
    place.refuses(&["serve", "--port", "0"], &both, "not both");
    // With a token, or told that none is wanted, it goes on to look for environments.
    let no_envs = "no environment";
    for (more, variables) in [
        (vec!["--allow-unauthenticated"], vec![]),
        (vec!["--admin-token-file", "admin.token"], vec![]),
        (vec![], vec![("ENVFARM_ADMIN_TOKEN", token)]),
    ] {
        fs::create_dir_all(place.0.path().join("envs")).unwrap();
        let arguments: Vec<&str> = remote.into_iter().chain(more).collect();
        let (code, _, stderr) = place.run(&arguments, &variables);
        assert!(code == 1 && stderr.contains(no_envs), "{code} {stderr}");
        assert!(!stderr.contains(token));
    }
    let digest = format!("{:x}", Sha256::digest(token));
    place.write("envfarm.toml", &format!("[[tokens]]\nname = \"a\"\ntoken_sha256 = \"{digest}\"\n"));
    place.refuses(&["serve", "--port", "0"], &[], "there is no admin token");
    place.refuses(&["serve", "--port", "0"], &[("ENVFARM_ADMIN_TOKEN", token)], "the token a is the admin token too");
}

#[test]
fn tokens_are_made_with_their_digest() {
    let place = Place::new();
    let (_, text, _) = place.run(&["token"], &[]);
    let token = text.lines().next().unwrap().split('"').nth(1).unwrap();
    assert!(token.len() >= 32, "{token}");
    assert!(text.contains(&format!("token_sha256 = \"{:x}\"", Sha256::digest(token))), "{text}");
    let (_, bare, _) = place.run(&["token", "--bare"], &[]);
    assert!(bare.trim().len() == token.len() && bare.trim() != token);
}

#[cfg(unix)]
#[test]
fn told_to_stop_it_ends_well() {
    let place = Place::new();
    let envs = fixtures().join("notebook");
    place.write("envfarm.toml", &format!("port = 0\nenvs = {envs:?}\n"));
    let mut child = place.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    // By its last line both signals are listened for.
    let mut said = String::new();
    while !said.contains("may do everything") {
        said.clear();
        assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "it ended early");
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success(), "{stderr}");
    for said in ["read the configuration file", "no token is set", "stopped"] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

#[test]
fn the_step_budget_is_a_setting() {
    let farm = Farm::open(&fixtures(), FarmLimits::default()).unwrap();
    let environment = farm.environment("faulty").unwrap();
    // The default ends this call after some 100 ms; with more, its deadline comes first.
    let deadline = Duration::from_millis(500);
    for (call_steps_max, ends) in [(10_000, "faulted"), (u64::MAX, "truncated")] {
        let limits = EpisodeLimits { call_steps_max, call_deadline: deadline, ..EpisodeLimits::default() };
        let mut episode = Episode::new(Arc::clone(&environment), None, 0, None, limits).unwrap();
        assert!(episode.call("count_forever", Map::new()).is_err());
        assert_eq!(episode.state().as_str(), ends);
    }
}
