//! The short way for `tools/call`, which is what agents send all the time: read once, called, written as bytes. And for
//! `tools/list`, which is long and always the same.
//!
//! rmcp's way (a buffered tree, a task, a handler, another tree) costs several times what a call does. This one takes only
//! requests of which it is certain how rmcp would answer them; [`PlainRequest::read`] and [`Server::answer`] give up on
//! anything unusual, which then goes rmcp's way. So nothing here words an error about a request, and an answer differs in
//! nothing but the time it takes (`tests/it/mcp/hot.rs` compares them byte by byte).

mod message;

use std::borrow::Cow;

use rmcp::ErrorData;
use rmcp::model::{JsonRpcError, ProtocolVersion, RequestId};
use serde_json::{Map, Value};

use self::message::{CallParams, Id, ListParams, Message, Meta, Object};
use super::handler::SERVER_INFO_KEY;
use super::messages::{self, write_string};
use super::{Attached, CallFailure, CallResult, Server};
use crate::engine::environment::Tool;
use crate::episode::IdempotencyKey;

const CALL: &str = "tools/call";
const LIST: &str = "tools/list";

/// The first member of a stateless result.
const COMPLETE: &[u8] = br#""resultType":"complete","#;

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

/// A well-formed `tools/call` or `tools/list` with nothing unusual about it.
#[derive(Debug)]
pub struct PlainRequest {
    id: Id,
    /// Whether `_meta` says, with all it must have, that the message is of 2026-07-28.
    stateless: bool,
    client_name: Option<String>,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Call { tool: String, arguments: Map<String, Value>, key: Option<IdempotencyKey> },
    List,
}

impl PlainRequest {
    /// Reads a message; None where it is anything else.
    pub fn read(body: &[u8]) -> Option<Self> {
        Self::read_call(body).or_else(|| Self::read_list(body))
    }

    fn read_call(body: &[u8]) -> Option<Self> {
        let Object(message) = serde_json::from_slice::<Object<Message<'_, Object<CallParams<'_>>>>>(body).ok()?;
        let Message { jsonrpc: "2.0", method: CALL, id, params: Object(params) } = message else {
            return None;
        };
        let meta = params.meta.unwrap_or_default();
        let stateless = meta.says_stateless()?;
        let asked = Asked::Call {
            tool: params.name.into_owned(),
            arguments: params.arguments.unwrap_or_default(),
            key: meta.key,
        };
        Some(Self { id, stateless, client_name: meta.client.map(Cow::into_owned), asked })
    }

    fn read_list(body: &[u8]) -> Option<Self> {
        let Object(message) =
            serde_json::from_slice::<Object<Message<'_, Option<Object<ListParams<'_>>>>>>(body).ok()?;
        let Message { jsonrpc: "2.0", method: LIST, id, params } = message else {
            return None;
        };
        let meta = params.and_then(|Object(params)| params.meta).unwrap_or_default();
        let stateless = meta.says_stateless()?;
        Some(Self { id, stateless, client_name: meta.client.map(Cow::into_owned), asked: Asked::List })
    }

    /// The JSON-RPC id.
    pub fn id(&self) -> Value {
        match &self.id {
            Id::Number(number) => Value::from(*number),
            Id::Text(text) => Value::from(text.as_str()),
        }
    }

    /// The JSON-RPC method.
    pub fn method(&self) -> &'static str {
        match self.asked {
            Asked::Call { .. } => CALL,
            Asked::List => LIST,
        }
    }

    /// Whether the message itself says that it is of 2026-07-28.
    pub fn says_stateless(&self) -> bool {
        self.stateless
    }

    /// The client's name for itself.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// Whether rmcp would go on to the tools, rather than object to the headers.
    fn agrees_with(&self, headers: &Headers<'_>) -> bool {
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
        headers.protocol_version == Header::Once(ProtocolVersion::V_2026_07_28.as_str())
            && headers.method == Header::Once(self.method())
    }
}

impl Meta<'_> {
    /// Whether a message is of 2026-07-28 by what it says of itself; None where it says that wrongly.
    fn says_stateless(&self) -> Option<bool> {
        match self.protocol_version {
            None => Some(false),
            Some(version) => {
                (version == ProtocolVersion::V_2026_07_28.as_str() && self.has_capabilities).then_some(true)
            }
        }
    }
}

/// Whether the header that names the tool of a stateless call is as rmcp wants it, and no other header is wanted.
fn names(headers: &Headers<'_>, name: &str, tool: &Tool) -> bool {
    let wrapped = name.starts_with(WRAPPED.0) && name.ends_with(WRAPPED.1);
    headers.name == Header::Once(name) && !wrapped && !repeats_arguments(tool.input_schema())
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
    /// Calls the tool, or lists the tools, and gives the body of the response, whose status is 200; None where rmcp must have
    /// a look at the request first, and nothing has happened then.
    pub fn answer(&self, request: PlainRequest, headers: &Headers<'_>) -> Option<Vec<u8>> {
        if !request.agrees_with(headers) {
            return None;
        }
        let PlainRequest { id, stateless, asked, .. } = request;
        match asked {
            Asked::List => Some(self.listing(&id, stateless)),
            Asked::Call { tool, arguments, key } => {
                let found = self.environment.tools().get(tool.as_str())?;
                if !matches!(self.attached, Attached::Episode { .. }) || (stateless && !names(headers, &tool, found)) {
                    return None;
                }
                Some(match self.call(&tool, arguments, key) {
                    Ok(result) => self.response(&id, &result, stateless),
                    Err(failure) => error(id, failure),
                })
            }
        }
    }

    fn response(&self, id: &Id, result: &CallResult, stateless: bool) -> Vec<u8> {
        let mut out = begin(id, result.bytes());
        if stateless {
            out.extend_from_slice(COMPLETE);
        }
        result.write_members(&mut out);
        if stateless {
            out.push(b',');
            self.write_meta(&mut out);
        }
        out.extend_from_slice(b"}}");
        out
    }

    fn listing(&self, id: &Id, stateless: bool) -> Vec<u8> {
        let members = self.environment.listing(|| messages::listing_members(&self.environment));
        let mut out = begin(id, members.len());
        if stateless {
            out.extend_from_slice(COMPLETE);
            self.write_meta(&mut out);
            out.push(b',');
        }
        out.extend_from_slice(members.as_bytes());
        out.extend_from_slice(b"}}");
        out
    }

    fn write_meta(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""_meta":{""#);
        out.extend_from_slice(SERVER_INFO_KEY.as_bytes());
        out.extend_from_slice(br#"":{"name":"#);
        write_string(out, self.environment.name().as_ref());
        out.extend_from_slice(concat!(r#","version":""#, env!("CARGO_PKG_VERSION"), r#""}}"#).as_bytes());
    }
}

/// The beginning of a response, with room for so many bytes of result.
fn begin(id: &Id, result_bytes: usize) -> Vec<u8> {
    const AROUND_BYTES: usize = 256;
    let mut out = Vec::with_capacity(result_bytes + AROUND_BYTES);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    id.write(&mut out);
    out.extend_from_slice(br#","result":{"#);
    out
}

fn error(id: Id, failure: CallFailure) -> Vec<u8> {
    let id = match id {
        Id::Number(number) => RequestId::Number(number),
        Id::Text(text) => RequestId::String(text.into()),
    };
    // Neither texts nor values fail to serialize.
    serde_json::to_vec(&JsonRpcError::new(Some(id), ErrorData::from(failure))).unwrap_or_default()
}
