//! Who may do what: tokens, known by their digests only, and what each may have.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::id::TokenName;

/// Shortest token. What `envfarm token` draws has 64 characters; a word that somebody thought of is found by trying.
pub const TOKEN_CHARS_MIN: usize = 16;

/// Longest token: what fits a header with room to spare.
pub const TOKEN_CHARS_MAX: usize = 1_024;

/// Bytes of the operating system's randomness in a token of `envfarm token`.
const TOKEN_RANDOM_BYTES: usize = 32;

/// SHA-256 of a token. Tokens have enough randomness that a fast digest can't be turned back.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether both are of the same token, in a time that doesn't tell how alike they are.
    pub fn matches(&self, other: &Self) -> bool {
        self.same(other).into()
    }

    fn same(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenDigest(..)")
    }
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It could be guessed.
    #[error("a token has at least {TOKEN_CHARS_MIN} characters; `envfarm token` makes one")]
    Short,
    /// It doesn't fit a header.
    #[error("a token has at most {TOKEN_CHARS_MAX} characters")]
    Long,
    /// It can't be sent in a header as it is.
    #[error("a token consists of visible ASCII characters without spaces")]
    Characters,
}

/// The digest of a token as somebody wrote it down, with or without an end of line.
///
/// # Errors
/// See [`TokenError`].
pub fn read_token(text: &str) -> Result<TokenDigest, TokenError> {
    let token = text.trim_end_matches(['\r', '\n']);
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Characters);
    }
    match token.len() {
        ..TOKEN_CHARS_MIN => Err(TokenError::Short),
        TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX => Ok(TokenDigest::of(token)),
        _ => Err(TokenError::Long),
    }
}

/// A new token.
///
/// # Errors
/// The operating system gave no random numbers.
pub fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TOKEN_RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A trainer with a token of its own.
#[derive(Debug, Clone)]
pub struct TrainerToken {
    /// What it is called, in the log and as the owner of episodes.
    pub name: TokenName,
    /// The token's digest.
    pub digest: TokenDigest,
    /// Live episodes it may have at a time; the farm's limit where absent.
    pub live_episodes_max: Option<usize>,
    /// Calls a second that its episodes may make together; any number where absent.
    pub calls_per_s: Option<u32>,
}

/// The tokens there are. Without any, whoever reaches the server may do everything.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Digest of the token that may do everything.
    pub admin: Option<TokenDigest>,
    /// Trainers with tokens of their own.
    pub trainers: Vec<TrainerToken>,
}

/// Whose token one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The administrator's.
    Admin,
    /// That of the trainer at this index.
    Trainer(usize),
}

impl Access {
    /// Whether nobody needs a token.
    pub fn is_open(&self) -> bool {
        self.admin.is_none() && self.trainers.is_empty()
    }

    /// Whose token it is. Every digest is compared, so that the time taken says nothing about which one it was.
    pub fn holder(&self, token: &str) -> Option<Holder> {
        let digest = TokenDigest::of(token);
        // 0 for nobody, 1 for the administrator, 2 for the first trainer and so on.
        let mut found = 0_u64;
        if let Some(admin) = &self.admin {
            found.conditional_assign(&1, admin.same(&digest));
        }
        for (number, trainer) in (2_u64..).zip(&self.trainers) {
            found.conditional_assign(&number, trainer.digest.same(&digest));
        }
        match found {
            0 => None,
            1 => Some(Holder::Admin),
            number => usize::try_from(number - 2).ok().map(Holder::Trainer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_fit_a_header() {
        assert_eq!(read_token("fifteen-letters").unwrap_err(), TokenError::Short);
        assert!(read_token("sixteen--letters").unwrap().matches(&TokenDigest::of("sixteen--letters")));
        assert!(read_token("sixteen--letters\r\n").unwrap().matches(&TokenDigest::of("sixteen--letters")));
        assert_eq!(read_token("sixteen- letters").unwrap_err(), TokenError::Characters);
        assert_eq!(read_token(&"a".repeat(1_025)).unwrap_err(), TokenError::Long);
        let (one, other) = (random_token().unwrap(), random_token().unwrap());
        assert!(one != other && read_token(&one).is_ok());
    }

    #[test]
    fn digests_round_trip_and_stay_out_of_logs() {
        let digest = TokenDigest::of("abc");
        let text = digest.to_string();
        assert!(text.starts_with("ba7816bf") && TokenDigest::parse(&text).unwrap().matches(&digest));
        assert!(TokenDigest::parse(&text[1..]).is_none() && TokenDigest::parse(&text.replace('b', "x")).is_none());
        assert!(!format!("{digest:?}").contains("ba78"));
    }

    #[test]
    fn every_token_has_its_holder() {
        let trainer = |name| TrainerToken {
            name: TokenName::parse(name).unwrap(),
            digest: TokenDigest::of(name),
            live_episodes_max: None,
            calls_per_s: None,
        };
        let trainers = vec![trainer("a"), trainer("b")];
        let access = Access { admin: Some(TokenDigest::of("admin")), trainers };
        assert_eq!(access.holder("admin"), Some(Holder::Admin));
        assert_eq!(access.holder("a"), Some(Holder::Trainer(0)));
        assert_eq!(access.holder("b"), Some(Holder::Trainer(1)));
        assert_eq!(access.holder("c"), None);
        assert_eq!(access.holder(""), None);
    }
}
