//! Every endpoint there is: the router and the OpenAPI document are both made from this table.

use axum::Router;
use axum::http::{Method, StatusCode};
use serde_json::{Map, json};

use super::endpoint::{About, Description, Endpoint, Input, content, describe_environment_name};
use super::error::Code;
use super::{Front, agent, body, openapi, trainer, watch};

const fn about(tag: &'static str, id: &'static str, summary: &'static str) -> About {
    About { id, tag, summary }
}

/// The routes of all endpoints.
pub(super) fn routes() -> Router<Front> {
    endpoints().into_iter().fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.route))
}

/// All endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut all = of_server();
    all.extend(of_environments());
    all.extend(of_all_episodes());
    all.extend(of_one_episode());
    all.extend(of_agents());
    all
}

fn of_server() -> Vec<Endpoint> {
    use trainer::server;
    let about = |id, summary| about("server", id, summary);
    vec![
        Endpoint::new(Method::GET, "/healthz", about("health", "Whether the server is up"), server::health),
        Endpoint::new(Method::GET, "/readyz", about("ready", "Whether every episode can be addressed"), server::ready)
            .errors(&[Code::Recovering]),
        Endpoint::described(
            Method::GET,
            "/metrics",
            about("metrics", "Metrics in Prometheus' text format"),
            watch::metrics,
            |description| {
                let text = content(&[("text/plain", json!({"type": "string"}))]);
                description.answer(StatusCode::OK, &text);
            },
        )
        .errors(&[Code::AdminOnly]),
        Endpoint::new(Method::GET, "/openapi.json", about("openapi", "This document"), openapi::serve),
    ]
}

fn of_environments() -> Vec<Endpoint> {
    use trainer::{environments, tasks};
    let about = |id, summary| about("environments", id, summary);
    vec![
        Endpoint::new(
            Method::GET,
            "/environments",
            about("list_environments", "List environments, sorted by name"),
            environments::list,
        ),
        Endpoint::new(
            Method::GET,
            "/environments/{name}",
            about("get_environment", "Describe an environment"),
            environments::get,
        ),
        Endpoint::new(
            Method::GET,
            "/environments/{name}/tools",
            about("list_tools", "List an environment's tools, as in MCP's tools/list"),
            environments::tools,
        ),
        Endpoint::new(
            Method::GET,
            "/environments/{name}/tasks",
            about("list_environment_tasks", "List an environment's tasks"),
            tasks::of_environment,
        ),
        Endpoint::new(
            Method::GET,
            "/tasks",
            about(
                "list_tasks",
                "List tasks of all environments; a page may be shorter than asked for and not the last",
            ),
            tasks::of_all,
        )
        .errors(&[Code::UnknownEnvironment, Code::InvalidPackage]),
    ]
}

fn of_all_episodes() -> Vec<Endpoint> {
    use trainer::{create, episodes};
    let about = |id, summary| about("episodes", id, summary);
    vec![
        Endpoint::new(
            Method::POST,
            "/episodes",
            about("create_episodes", "Create episodes, all or none"),
            create::create,
        )
        .errors(&[
            Code::UnknownEnvironment,
            Code::InvalidPackage,
            Code::UnknownTask,
            Code::UnknownActor,
            Code::AtCapacity,
            Code::QuotaExceeded,
            Code::Recovering,
        ]),
        Endpoint::new(
            Method::GET,
            "/episodes",
            about("list_episodes", "List episodes in the order of their ids"),
            episodes::list,
        )
        .errors(&[Code::UnknownEnvironment, Code::Recovering]),
        Endpoint::new(
            Method::DELETE,
            "/episodes",
            about("delete_episodes", "Delete those of the episodes that there are"),
            episodes::remove_many,
        )
        .errors(&[Code::Recovering]),
    ]
}

fn of_one_episode() -> Vec<Endpoint> {
    use trainer::{create, episodes, look};
    let about = |id, summary| about("episodes", id, summary);
    vec![
        Endpoint::new(Method::GET, "/episodes/{id}", about("get_episode", "Describe an episode"), episodes::get)
            .errors(&[Code::EnvironmentFault]),
        Endpoint::new(Method::DELETE, "/episodes/{id}", about("delete_episode", "Delete an episode"), episodes::remove),
        Endpoint::new(
            Method::POST,
            "/episodes/{id}/calls",
            about("call_tool", "Call a tool: MCP's tools/call without MCP"),
            episodes::call,
        )
        .errors(&[Code::UnknownTool, Code::RateLimited, Code::EnvironmentFault]),
        Endpoint::new(
            Method::POST,
            "/episodes/{id}/reset",
            about("reset_episode", "Back to the start, with the same task, seed and actor"),
            episodes::reset,
        )
        .errors(&[Code::EnvironmentFault]),
        Endpoint::new(
            Method::POST,
            "/episodes/{id}/fork",
            about("fork_episode", "Copy an episode as it is now; the copies are live"),
            create::fork,
        )
        .errors(&[Code::AtCapacity, Code::QuotaExceeded, Code::EnvironmentFault]),
        Endpoint::new(
            Method::POST,
            "/episodes/{id}/verify",
            about("verify_episode", "Judge the final state and the answer, and end the episode unless it is a peek"),
            episodes::verify,
        )
        .errors(&[Code::EpisodeEnded, Code::EnvironmentFault]),
        Endpoint::new(
            Method::GET,
            "/episodes/{id}/trajectory",
            about("get_trajectory", "All calls and observations; JSON Lines, or one document where JSON is asked for"),
            look::trajectory,
        )
        .errors(&[Code::NotAcceptable, Code::EnvironmentFault]),
        Endpoint::new(
            Method::GET,
            "/episodes/{id}/diff",
            about("get_diff", "Rows added, removed and changed since the start, by table"),
            look::diff,
        )
        .errors(&[Code::EnvironmentFault]),
        Endpoint::new(
            Method::GET,
            "/episodes/{id}/database",
            about("get_database", "The database as it is now, as an SQLite file"),
            look::database,
        ),
    ]
}

fn of_agents() -> Vec<Endpoint> {
    let about = |id, summary| about("agents", id, summary);
    vec![
        Endpoint::described(
            Method::POST,
            "/episodes/{id}/mcp",
            about("mcp_in_episode", "MCP in an episode that a trainer created"),
            agent::in_episode,
            |description| {
                body::EpisodePath::describe(description);
                message(description);
            },
        ),
        Endpoint::described(
            Method::POST,
            "/envs/{name}/mcp",
            about("mcp_in_environment", "MCP for playing: an episode per session, or a scratch episode"),
            agent::in_environment,
            |description| {
                describe_environment_name(description);
                description.query::<agent::Play>();
                message(description);
            },
        ),
        Endpoint::described(
            Method::DELETE,
            "/envs/{name}/mcp",
            about("end_mcp_session", "End a session of the older protocol, and its episode"),
            agent::end_session,
            |description| {
                describe_environment_name(description);
                let text = "The session's id, from the answer to `initialize`.";
                description.parameter("header", "Mcp-Session-Id", text, &json!({"type": "string"}));
                description.answer(StatusCode::NO_CONTENT, &Map::new());
                json_rpc_errors(description);
            },
        ),
    ]
}

/// A JSON-RPC message and its answer.
fn message(description: &mut Description<'_>) {
    let message = json!({"type": "object", "required": ["jsonrpc"], "properties": {"jsonrpc": {"const": "2.0"}}});
    let body = content(&[("application/json", message.clone())]);
    description.body = Some(json!({"required": true, "content": body}));
    description.answer(StatusCode::OK, &content(&[("application/json", message)]));
    description.answer(StatusCode::ACCEPTED, &Map::new());
    json_rpc_errors(description);
}

fn json_rpc_errors(description: &mut Description<'_>) {
    let schema = json!({"type": "object", "required": ["jsonrpc", "error"], "properties": {"error": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    }}});
    let errors = json!({"description": "A JSON-RPC error.", "content": content(&[("application/json", schema)])});
    description.answers.insert("default".to_owned(), errors);
}
