//! A `tools/call` or `tools/list` message as it is read in one go, borrowed from the body where it can be.
//!
//! Reading is stricter than rmcp's wherever that is simpler, never more lenient: what this refuses, rmcp looks at.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use rmcp::model::ClientCapabilities;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::episode::IdempotencyKey;

/// A JSON-RPC id. Fractions are left to rmcp, which takes some of them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Neither fails to serialize.
        let _ = serde_json::to_writer(out, self);
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number or a string")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                i64::try_from(number).map(Id::Number).map_err(E::custom)
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

/// Reads a struct from a JSON object only; serde would take an array of its fields' values too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// A request, `P` being its parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message<'a, P> {
    pub(super) jsonrpc: &'a str,
    pub(super) id: Id,
    pub(super) method: &'a str,
    pub(super) params: P,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallParams<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) arguments: Option<Map<String, Value>>,
    #[serde(borrow, rename = "_meta")]
    pub(super) meta: Option<Meta<'a>>,
}

/// There is one page, so a cursor is unusual.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams<'a> {
    #[serde(borrow, rename = "_meta")]
    pub(super) meta: Option<Meta<'a>>,
}

/// What counts of `_meta`. The rest may be anything, but it is read in full: serde's way of ignoring a value lets through
/// numbers, strings and depths that rmcp takes exception to.
#[derive(Default)]
pub(super) struct Meta<'a> {
    pub(super) protocol_version: Option<&'a str>,
    pub(super) has_capabilities: bool,
    pub(super) client: Option<Cow<'a, str>>,
    pub(super) key: Option<IdempotencyKey>,
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum MetaKey {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    ProtocolVersion,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    Capabilities,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    Client,
    #[serde(rename = "envfarm/idempotencyKey")]
    Key,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Meta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetaVisitor;
        impl<'de> Visitor<'de> for MetaVisitor {
            type Value = Meta<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Meta<'de>, A::Error> {
                let mut meta = Meta::default();
                // Of a member given twice rmcp takes the last, and the check of who the client is objects.
                let once = |first: bool| if first { Ok(()) } else { Err(de::Error::custom("given twice")) };
                let mut has_client = false;
                while let Some(key) = map.next_key()? {
                    match key {
                        MetaKey::ProtocolVersion => {
                            once(meta.protocol_version.is_none())?;
                            meta.protocol_version = Some(map.next_value()?);
                        }
                        MetaKey::Capabilities => {
                            once(!meta.has_capabilities)?;
                            let given: Map<String, Value> = map.next_value()?;
                            let known =
                                given.is_empty() || ClientCapabilities::deserialize(Value::Object(given)).is_ok();
                            meta.has_capabilities = known;
                            once(known)?;
                        }
                        MetaKey::Client => {
                            once(!has_client)?;
                            has_client = true;
                            meta.client = map.next_value::<Client<'de>>()?.0;
                        }
                        MetaKey::Key => {
                            once(meta.key.is_none())?;
                            let key = IdempotencyKey::parse(map.next_value()?);
                            meta.key = Some(key.ok_or_else(|| de::Error::custom("no idempotency key"))?);
                        }
                        MetaKey::Other => Anything::skip(&mut map)?,
                    }
                }
                Ok(meta)
            }
        }
        deserializer.deserialize_map(MetaVisitor)
    }
}

/// The name in a client's description of itself.
struct Client<'a>(Option<Cow<'a, str>>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum ClientKey {
    Name,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct ClientName<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Client<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClientVisitor;
        impl<'de> Visitor<'de> for ClientVisitor {
            type Value = Client<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Client<'de>, A::Error> {
                let mut name = None;
                while let Some(key) = map.next_key()? {
                    match key {
                        ClientKey::Name if name.is_some() => return Err(de::Error::duplicate_field("name")),
                        ClientKey::Name => name = Some(map.next_value::<ClientName<'de>>()?.0),
                        ClientKey::Other => Anything::skip(&mut map)?,
                    }
                }
                Ok(Client(name))
            }
        }
        deserializer.deserialize_map(ClientVisitor)
    }
}

/// Any JSON, read in full and kept nowhere.
struct Anything;

impl Anything {
    /// Reads past a member's value.
    fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
        map.next_value().map(|Self| ())
    }
}

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnythingVisitor;
        impl<'de> Visitor<'de> for AnythingVisitor {
            type Value = Anything;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_str<E>(self, _: &str) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_unit<E>(self) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Anything, A::Error> {
                while elements.next_element::<Anything>()?.is_some() {}
                Ok(Anything)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Anything, A::Error> {
                while members.next_entry::<Anything, Anything>()?.is_some() {}
                Ok(Anything)
            }
        }
        deserializer.deserialize_any(AnythingVisitor)
    }
}
