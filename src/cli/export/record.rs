//! The shapes of exported lines. They are read by programs of others, so nothing of them changes without need.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::environment::Tool;
use crate::engine::verify::CheckResult;
use crate::episode::{Episode, EpisodeState};
use crate::trajectory::{Step, Trajectory};

/// A trajectory with a fresh episode under its conditions, which knows what the agent was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'t> {
    pub trajectory: &'t Trajectory,
    pub episode: &'t Episode,
}

/// One line of `--format openai`: the messages and tools of a request to OpenAI's chat completions API, as their fine-tuning
/// takes them too (`messages`, `tools` and `parallel_tool_calls`), with `reward` and `metadata` beside them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Conversation<'t> {
    /// What was said, in order.
    messages: Vec<Message<'t>>,
    /// The tools that there were.
    tools: Vec<ToolDefinition<'t>>,
    /// False: an assistant's message has one call.
    parallel_tool_calls: bool,
    /// 1.0 or 0.0; null where there is none and the sample says nothing about the agent.
    reward: Option<f64>,
    /// Where it comes from.
    metadata: Metadata<'t>,
}

/// One message.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Message<'t> {
    /// House rules, who is signed in, date and time.
    System {
        /// The text.
        content: String,
    },
    /// The instruction; absent in free play.
    User {
        /// The text.
        content: &'t str,
    },
    /// A call, or the final answer.
    Assistant {
        /// The answer; null in a call.
        content: Option<&'t str>,
        /// The call; absent in the answer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall<'t>>,
    },
    /// The observation of a call.
    Tool {
        /// Which call.
        tool_call_id: String,
        /// The observation as JSON text.
        content: String,
    },
}

/// A call in an assistant's message.
#[derive(Debug, Serialize, JsonSchema)]
struct ToolCall<'t> {
    /// `call_` and its number, from 1.
    id: String,
    /// `function`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What is called.
    function: FunctionCall<'t>,
}

/// What is called.
#[derive(Debug, Serialize, JsonSchema)]
struct FunctionCall<'t> {
    /// The tool.
    name: &'t str,
    /// The arguments as JSON text.
    arguments: String,
}

/// A tool that an agent may call.
#[derive(Debug, Serialize, JsonSchema)]
struct ToolDefinition<'t> {
    /// `function`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The tool.
    function: FunctionDefinition<'t>,
}

/// The tool itself.
#[derive(Debug, Serialize, JsonSchema)]
struct FunctionDefinition<'t> {
    /// Its name.
    name: &'t str,
    /// What it does.
    description: &'t str,
    /// JSON Schema of its arguments.
    parameters: &'t Map<String, Value>,
}

/// Where a conversation comes from.
#[derive(Debug, Serialize, JsonSchema)]
struct Metadata<'t> {
    /// The environment.
    environment: &'t str,
    /// The task; null in free play.
    task: Option<&'t str>,
    /// The seed.
    seed: u64,
    /// Who was signed in.
    actor: &'t Value,
    /// SHA-256 of the package that it was recorded with.
    package_digest: &'t str,
    /// Version of the engine that it was recorded with.
    engine_version: &'t str,
    /// `live` where the recording broke off, else `terminated`, `truncated` or `faulted`.
    state: &'t str,
}

/// One line of `--format jsonl`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Record<'t> {
    /// The environment.
    environment: &'t str,
    /// The task; null in free play.
    task: Option<&'t str>,
    /// What the agent was asked; null in free play.
    instruction: Option<&'t str>,
    /// What it read beside that: house rules, who is signed in, date and time.
    context: String,
    /// The seed.
    seed: u64,
    /// Who was signed in.
    actor: &'t Value,
    /// The calls and observations, in order.
    calls: &'t [Step],
    /// The agent's answer, if it gave one.
    answer: Option<&'t str>,
    /// 1.0 or 0.0; null where there is none and the sample says nothing about the agent.
    reward: Option<f64>,
    /// What the reward is made of.
    checks: &'t [CheckResult],
    /// `live` where the recording broke off, else `terminated`, `truncated` or `faulted`.
    state: &'t str,
    /// SHA-256 of the package that it was recorded with.
    package_digest: &'t str,
    /// Version of the engine that it was recorded with.
    engine_version: &'t str,
}

/// The reward of a trajectory; none where it was never judged or says nothing about the agent.
pub(super) fn reward(trajectory: &Trajectory) -> Option<f64> {
    let end = trajectory.end.as_ref().filter(|end| end.state != EpisodeState::Faulted.as_str())?;
    end.verdict.as_ref()?.reward
}

impl<'t> Sample<'t> {
    pub(super) fn conversation(self) -> Conversation<'t> {
        let Self { trajectory, episode } = self;
        let mut messages = vec![Message::System { content: episode.context() }];
        messages.extend(episode.instruction().map(|content| Message::User { content }));
        for (index, step) in trajectory.steps.iter().enumerate() {
            let id = format!("call_{}", index + 1);
            let arguments = serde_json::to_string(&step.arguments).unwrap_or_default();
            let function = FunctionCall { name: &step.tool, arguments };
            let call = ToolCall { id: id.clone(), kind: "function", function };
            messages.push(Message::Assistant { content: None, tool_calls: vec![call] });
            messages.push(Message::Tool { tool_call_id: id, content: step.observation.to_string() });
        }
        let answer = self.answer().map(|answer| Message::Assistant { content: Some(answer), tool_calls: Vec::new() });
        messages.extend(answer);
        let header = &trajectory.header;
        Conversation {
            messages,
            tools: episode.environment().tools().values().map(definition).collect(),
            parallel_tool_calls: false,
            reward: reward(trajectory),
            metadata: Metadata {
                environment: &header.environment,
                task: header.task.as_deref(),
                seed: header.seed,
                actor: &header.actor,
                package_digest: &header.package_digest,
                engine_version: &header.engine_version,
                state: self.state(),
            },
        }
    }

    pub(super) fn record(self) -> Record<'t> {
        let Self { trajectory, episode } = self;
        let header = &trajectory.header;
        let verdict = trajectory.end.as_ref().and_then(|end| end.verdict.as_ref());
        Record {
            environment: &header.environment,
            task: header.task.as_deref(),
            instruction: episode.instruction(),
            context: episode.context(),
            seed: header.seed,
            actor: &header.actor,
            calls: &trajectory.steps,
            answer: self.answer(),
            reward: reward(trajectory),
            checks: verdict.map(|verdict| verdict.checks.as_slice()).unwrap_or_default(),
            state: self.state(),
            package_digest: &header.package_digest,
            engine_version: &header.engine_version,
        }
    }

    fn answer(self) -> Option<&'t str> {
        self.trajectory.end.as_ref().and_then(|end| end.answer.as_deref())
    }

    fn state(self) -> &'t str {
        self.trajectory.end.as_ref().map_or(EpisodeState::Live.as_str(), |end| end.state.as_str())
    }
}

fn definition(tool: &Tool) -> ToolDefinition<'_> {
    let function = FunctionDefinition {
        name: tool.name().as_ref(),
        description: tool.description(),
        parameters: tool.input_schema(),
    };
    ToolDefinition { kind: "function", function }
}
