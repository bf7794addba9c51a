//! The short way for `tools/call`, which is what agents send all the time: read once, called, written as bytes.
//!
//! rmcp's way (a buffered tree, a task, a handler, another tree) costs several times what a call does. This one takes only
//! requests of which it is certain how rmcp would answer them; [`PlainCall::read`] and [`Server::answer`] give up on
//! anything unusual, which then goes rmcp's way. So nothing here words an error about a request, and an answer differs in
//! nothing but the time it takes (`tests/it/mcp/hot.rs` compares them byte by byte).

mod message;

use std::borrow::Cow;

use rmcp::ErrorData;
use rmcp::model::{JsonRpcError, ProtocolVersion, RequestId};
use serde_json::{Map, Value};

use self::message::{Id, Message, Object};
use super::handler::SERVER_INFO_KEY;
use super::messages::write_string;
use super::{Attached, CallFailure, CallResult, Server};
use crate::engine::environment::Tool;
use crate::episode::IdempotencyKey;

/// What a text wrapped in Base64 looks like in a header (SEP-2243); rmcp unwraps it.
const WRAPPED: (&str, &str) = ("=?base64?", "?=");

/// The keyword of an input schema that has an argument repeated in a header (SEP-2243); rmcp compares the two.
const HEADER_KEYWORD: &str = "x-mcp-header";

/// A header as far as the protocol cares for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'h> {
    /// It isn't there.
    Absent,
    /// It is there once, and is text.
    Once(&'h str),
    /// Anything else.
    Odd,
}

/// The headers that the protocol gives a meaning.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'h> {
    /// `MCP-Protocol-Version`.
    pub protocol_version: Header<'h>,
    /// `Mcp-Method`.
    pub method: Header<'h>,
    /// `Mcp-Name`.
    pub name: Header<'h>,
}

/// A well-formed `tools/call` with nothing unusual about it.
#[derive(Debug)]
pub struct PlainCall {
    id: Id,
    tool: String,
    arguments: Map<String, Value>,
    key: Option<IdempotencyKey>,
    /// Whether `_meta` says, with all it must have, that the message is of 2026-07-28.
    stateless: bool,
    client_name: Option<String>,
}

impl PlainCall {
    /// Reads a message; None where it is anything else.
    pub fn read(body: &[u8]) -> Option<Self> {
        let Object(message) = serde_json::from_slice::<Object<Message<'_>>>(body).ok()?;
        let Message { jsonrpc: "2.0", method: "tools/call", id, params: Object(params) } = message else {
            return None;
        };
        let meta = params.meta.unwrap_or_default();
        let stateless = match (meta.protocol_version, meta.has_capabilities) {
            (None, _) => false,
            (Some(version), true) if version == ProtocolVersion::V_2026_07_28.as_str() => true,
            (Some(_), _) => return None,
        };
        Some(Self {
            id,
            tool: params.name.into_owned(),
            arguments: params.arguments.unwrap_or_default(),
            key: meta.key,
            stateless,
            client_name: meta.client.map(Cow::into_owned),
        })
    }

    /// The JSON-RPC id.
    pub fn id(&self) -> Value {
        match &self.id {
            Id::Number(number) => Value::from(*number),
            Id::Text(text) => Value::from(text.as_str()),
        }
    }

    /// The protocol version that the message itself says it is of.
    pub fn says_stateless(&self) -> bool {
        self.stateless
    }

    /// The client's name for itself.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// Whether rmcp would call the tool, rather than object to the headers.
    fn agrees_with(&self, headers: &Headers<'_>, tool: &Tool) -> bool {
        if !self.stateless {
            return match headers.protocol_version {
                Header::Absent => true,
                Header::Once(version) => {
                    ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| known.as_str() == version)
                        && version < ProtocolVersion::STANDARD_HEADERS.as_str()
                }
                Header::Odd => false,
            };
        }
        let Header::Once(name) = headers.name else { return false };
        let wrapped = name.starts_with(WRAPPED.0) && name.ends_with(WRAPPED.1);
        headers.protocol_version == Header::Once(ProtocolVersion::V_2026_07_28.as_str())
            && headers.method == Header::Once("tools/call")
            && name == self.tool
            && !wrapped
            && !repeats_arguments(tool.input_schema())
    }
}

/// Whether an input schema wants arguments in headers too. Like rmcp it looks at properties and what lies within them.
fn repeats_arguments(schema: &Map<String, Value>) -> bool {
    let Some(Value::Object(properties)) = schema.get("properties") else { return false };
    properties
        .values()
        .filter_map(Value::as_object)
        .any(|property| property.contains_key(HEADER_KEYWORD) || repeats_arguments(property))
}

impl Server {
    /// Calls the tool and gives the body of the response, whose status is 200; None where rmcp must have a look at the
    /// request first, and nothing has happened then.
    pub fn answer(&self, call: PlainCall, headers: &Headers<'_>) -> Option<Vec<u8>> {
        let tool = self.environment.tools().get(call.tool.as_str())?;
        if !matches!(self.attached, Attached::Episode { .. }) || !call.agrees_with(headers, tool) {
            return None;
        }
        let PlainCall { id, tool, arguments, key, stateless, .. } = call;
        match self.call(&tool, arguments, key) {
            Ok(result) => Some(self.response(&id, &result, stateless)),
            Err(failure) => Some(error(id, failure)),
        }
    }

    fn response(&self, id: &Id, result: &CallResult, stateless: bool) -> Vec<u8> {
        const AROUND_BYTES: usize = 256;
        let mut out = Vec::with_capacity(result.bytes() + AROUND_BYTES);
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        id.write(&mut out);
        out.extend_from_slice(br#","result":{"#);
        if stateless {
            out.extend_from_slice(br#""resultType":"complete","#);
        }
        result.write_members(&mut out);
        if stateless {
            out.extend_from_slice(br#","_meta":{""#);
            out.extend_from_slice(SERVER_INFO_KEY.as_bytes());
            out.extend_from_slice(br#"":{"name":"#);
            write_string(&mut out, self.environment.name().as_ref());
            out.extend_from_slice(concat!(r#","version":""#, env!("CARGO_PKG_VERSION"), r#""}}"#).as_bytes());
        }
        out.extend_from_slice(b"}}");
        out
    }
}

fn error(id: Id, failure: CallFailure) -> Vec<u8> {
    let id = match id {
        Id::Number(number) => RequestId::Number(number),
        Id::Text(text) => RequestId::String(text.into()),
    };
    // Neither texts nor values fail to serialize.
    serde_json::to_vec(&JsonRpcError::new(Some(id), ErrorData::from(failure))).unwrap_or_default()
}
