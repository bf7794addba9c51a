//! What `serve` says on start.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use owo_colors::{OwoColorize, Stream};

use crate::farm::Farm;
use crate::id::EnvironmentName;

/// Environments described on start; of more only the names are printed, since describing one means loading it.
const DESCRIBED_MAX: usize = 20;

/// What a person reads on start: what is served and how to connect.
pub(super) fn welcome(farm: &Farm, envs: &Path, address: SocketAddr, open: bool) -> String {
    let names: Vec<&EnvironmentName> = farm.environment_names().collect();
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "\nenvfarm {} serves {} environments from {}\n",
        env!("CARGO_PKG_VERSION"),
        names.len(),
        envs.display()
    );
    let mut example = None;
    for name in names.iter().take(DESCRIBED_MAX) {
        describe(&mut text, farm, name, address);
        if example.is_none() && farm.environment(name.as_ref()).is_ok() {
            example = Some(name);
        }
    }
    if let Some(more) = names.get(DESCRIBED_MAX..).filter(|more| !more.is_empty()) {
        let _ = writeln!(text, "  .. and {} more; `envfarm list` shows them all", more.len());
    }
    match example {
        Some(name) => how_to_connect(&mut text, farm, name, envs, address, open),
        None => {
            let _ = writeln!(
                text,
                "  nothing to serve: `envfarm check` says what is wrong, `envfarm new NAME` begins a package"
            );
        }
    }
    text
}

fn describe(text: &mut String, farm: &Farm, name: &EnvironmentName, address: SocketAddr) {
    let bold = name.if_supports_color(Stream::Stdout, |name| name.bold());
    let _ = match farm.environment(name.as_ref()) {
        Ok(environment) => writeln!(
            text,
            "  {bold}  {}, {} tools, {} tasks\n    http://{address}/envs/{name}/mcp",
            environment.title(),
            environment.tools().len(),
            environment.tasks().len(),
        ),
        Err(err) => writeln!(text, "  {bold}  can't be served: {err}; `envfarm check` shows why"),
    };
}

fn how_to_connect(
    text: &mut String,
    farm: &Farm,
    name: &EnvironmentName,
    envs: &Path,
    address: SocketAddr,
    open: bool,
) {
    let url = format!("http://{address}/envs/{name}/mcp");
    let program = std::env::current_exe().map_or_else(|_| "envfarm".to_owned(), |path| path.display().to_string());
    let envs = std::path::absolute(envs).unwrap_or_else(|_| envs.to_path_buf());
    let stdio = serde_json::json!({
        "mcpServers": {name.as_ref(): {"command": program, "args": ["stdio", name.as_ref(), "--envs", envs]}}
    });
    let token = if open { "" } else { " --header \"Authorization: Bearer TOKEN\"" };
    let curl_token = if open { "" } else { " -H \"Authorization: Bearer $ENVFARM_ADMIN_TOKEN\"" };
    let access = if open {
        "No token is set: whoever reaches this address may do everything (--admin-token-file)."
    } else {
        "Everything but /episodes/{id}/mcp, /healthz and /readyz takes a token."
    };
    let heading = |heading: &str| heading.if_supports_color(Stream::Stdout, |heading| heading.green()).to_string();
    let _ = write!(
        text,
        "
{agent}
  claude mcp add --transport http {name} {url}{token}
{desktop}
  {stdio}
{inspector}
  npx @modelcontextprotocol/inspector --cli {url} --transport http{token} --method tools/list
{trainer}
  curl -s http://{address}/episodes{curl_token} -H 'Content-Type: application/json' -d '{{\"environment\": \"{name}\"}}'

/envs/.. is a convenience: stateless clients with one name at one address share an episode there, unless `?as=NAME` in
the URL tells them apart. Isolation is /episodes/{{id}}/mcp. {keeping}
{access}
",
        agent = heading("Connect an agent:"),
        desktop = heading("Or let a desktop client start its own copy:"),
        inspector = heading("Look around with the MCP Inspector:"),
        trainer = heading("Create an episode to train on:"),
        keeping = if farm.journal_stats().is_some() {
            "Episodes are kept in the journal and survive this process."
        } else {
            "Episodes live in memory and end with this process; --journal DIR keeps them."
        },
    );
}
