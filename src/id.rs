//! Names and identifiers: parsed once at the edge, passed on as proof.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Longest accepted name. MCP clients prefix tool names with the server's name and several providers cap the whole at 64
/// characters, so a name of ours leaves room for that prefix.
pub const NAME_LENGTH_MAX: usize = 56;

/// Why a text is not a valid name or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Names are snake_case: a lowercase letter, then lowercase letters, digits and underscores.
    #[error("{text:?} is not a snake_case name of at most {NAME_LENGTH_MAX} characters")]
    Name {
        /// What was given, shortened.
        text: String,
    },
    /// Episode ids are `ep_` and 32 hexadecimal digits.
    #[error("not an episode id")]
    Episode,
}

/// True for `snake_case` names: a lowercase letter first, then lowercase letters, digits and single underscores.
pub fn is_snake_case(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !text.ends_with('_')
        && !text.contains("__")
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts a `snake_case` name; see [`IdError::Name`].
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if text.len() <= NAME_LENGTH_MAX && is_snake_case(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    let text = text.chars().take(NAME_LENGTH_MAX).collect();
                    Err(IdError::Name { text })
                }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

name! {
    /// Name of an environment; also the name of its package's folder.
    EnvironmentName
}
name! {
    /// Name of a tool within an environment.
    ToolName
}
name! {
    /// Name of a task within an environment.
    TaskName
}
name! {
    /// Name of an access token, and so of whoever holds it.
    TokenName
}

/// An episode's address. Whoever knows it may act in the episode, so it is a capability: 128 bits from the operating
/// system, never derived from the seed (SEP-2567: an id without further authentication is a bearer token).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EpisodeId(u128);

impl EpisodeId {
    /// Draws a new id from the operating system.
    ///
    /// # Errors
    /// The operating system's generator is not available.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// The id as bytes, for files.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that [`EpisodeId::to_bytes`] gave.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Parses the text form: `ep_` and 32 lowercase hexadecimal digits.
    ///
    /// # Errors
    /// [`IdError::Episode`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("ep_").ok_or(IdError::Episode)?;
        let lowercase_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        if digits.len() != 32 || !digits.bytes().all(lowercase_hex) {
            return Err(IdError::Episode);
        }
        u128::from_str_radix(digits, 16).map(Self).map_err(|_| IdError::Episode)
    }
}

impl fmt::Display for EpisodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ep_{:032x}", self.0)
    }
}

impl fmt::Debug for EpisodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl Serialize for EpisodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case() {
        for good in ["a", "online_shop", "list_orders2"] {
            assert!(ToolName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "2a", "a-b", "a__b", "a_", "_a", "ü", &"a".repeat(57)] {
            assert!(ToolName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn episode_ids_round_trip_and_differ() {
        let id = EpisodeId::random().unwrap();
        assert_eq!(EpisodeId::parse(&id.to_string()), Ok(id));
        assert_ne!(EpisodeId::random().unwrap(), id);
        for bad in ["", "ep_", "ep_+0000000000000000000000000000000", "EP_00"] {
            assert_eq!(EpisodeId::parse(bad), Err(IdError::Episode));
        }
    }
}
