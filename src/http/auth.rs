//! Who a request comes from and what it may touch: the administrator everything, a trainer its own episodes, an agent the
//! episode whose URL it knows.
//!
//! [`Auth::admit`] stands before every route, behind the guard, and leaves a [`Caller`] in the request's extensions. Ownership
//! is checked where an id is read from a path (`body::EpisodePath`) and, for sessions, in `agent`; quotas where episodes are
//! made and called. An episode of somebody else's is answered like one that never was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Request, header};

use super::Front;
use super::error::{ApiError, Code};
use crate::config::access::{Access, Holder, TrainerToken};
use crate::episode::EpisodeState;
use crate::farm::{EpisodeFilter, EpisodeSpec, FarmError};
use crate::id::{EpisodeId, TokenName};

/// Who a request comes from.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// The holder of the admin token; everybody where no token is set.
    Admin,
    /// The holder of a trainer's token.
    Trainer(Arc<Trainer>),
    /// Somebody without a token, on a route that needs none.
    Anyone,
}

impl Caller {
    /// As whose the caller's new episodes count.
    pub(super) fn owner(&self) -> Option<TokenName> {
        match self {
            Self::Trainer(trainer) => Some(trainer.token.name.clone()),
            Self::Admin | Self::Anyone => None,
        }
    }

    /// Whether episodes of that owner exist for the caller. Who needs no token here has the episode's id for one.
    pub(super) fn sees(&self, owner: Option<&TokenName>) -> bool {
        match self {
            Self::Trainer(trainer) => owner == Some(&trainer.token.name),
            Self::Admin | Self::Anyone => true,
        }
    }

    /// The caller of the request with these extensions.
    pub(super) fn of(extensions: &Extensions) -> Result<&Self, ApiError> {
        extensions.get().ok_or_else(|| {
            tracing::error!("a request reached its handler past `Auth::admit`");
            ApiError::new(Code::Internal, "the server failed to tell who is calling")
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.extensions).cloned()
    }
}

/// A trainer with a token of its own, and what it has used of its quotas.
#[derive(Debug)]
pub(super) struct Trainer {
    token: TrainerToken,
    /// Held while episodes are counted and made, so that two requests don't both find room for the last one.
    creating: Mutex<()>,
    calls: Option<Mutex<Bucket>>,
}

/// A token bucket that holds what may be used within a second.
#[derive(Debug)]
struct Bucket {
    per_s: f64,
    left: f64,
    filled: Instant,
}

impl Bucket {
    fn new(per_s: u32) -> Self {
        Self { per_s: f64::from(per_s), left: f64::from(per_s), filled: Instant::now() }
    }

    fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = elapsed.mul_add(self.per_s, self.left).min(self.per_s);
        self.filled = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

/// The tokens, and who holds them.
#[derive(Debug)]
pub(super) struct Auth {
    access: Access,
    /// In the order of the tokens.
    trainers: Vec<Arc<Trainer>>,
    by_name: HashMap<TokenName, Arc<Trainer>>,
}

impl Auth {
    pub(super) fn new(access: &Access) -> Self {
        let trainers: Vec<Arc<Trainer>> = access
            .trainers
            .iter()
            .map(|token| {
                let calls = token.calls_per_s.map(|per_s| Mutex::new(Bucket::new(per_s)));
                Arc::new(Trainer { token: token.clone(), creating: Mutex::new(()), calls })
            })
            .collect();
        let by_name = trainers.iter().map(|trainer| (trainer.token.name.clone(), Arc::clone(trainer))).collect();
        Self { access: access.clone(), trainers, by_name }
    }

    /// Lets a request through, with its [`Caller`] among its extensions, or says which token it needs.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<(), ApiError> {
        let caller = if self.access.is_open() {
            Caller::Admin
        } else {
            match Need::of(request.uri().path()) {
                Need::Nothing => Caller::Anyone,
                need => self.caller(request.headers(), need)?,
            }
        };
        request.extensions_mut().insert(caller);
        Ok(())
    }

    fn caller(&self, headers: &HeaderMap, need: Need) -> Result<Caller, ApiError> {
        let refused = |message| Err(ApiError::new(Code::Unauthorized, message));
        let Some(token) = bearer(headers) else {
            return refused("this needs a token; send `Authorization: Bearer TOKEN`");
        };
        let caller = match self.access.holder(token) {
            Some(Holder::Admin) => Caller::Admin,
            Some(Holder::Trainer(index)) => Caller::Trainer(Arc::clone(&self.trainers[index])),
            None => return refused("this token isn't known here"),
        };
        match (&caller, need) {
            (Caller::Admin, _) | (_, Need::Token | Need::Nothing) => Ok(caller),
            (_, Need::Admin) => Err(ApiError::new(Code::AdminOnly, "this takes the admin token")),
        }
    }
}

/// Which token a path needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Token,
    Admin,
}

impl Need {
    /// Whatever isn't listed needs a token, paths that don't exist included.
    fn of(path: &str) -> Self {
        let in_episode = || {
            let id = path.strip_prefix("/episodes/").and_then(|rest| rest.strip_suffix("/mcp"));
            id.is_some_and(|id| !id.contains('/'))
        };
        match path {
            "/healthz" | "/readyz" => Self::Nothing,
            // The episode's id is a capability: 128 random bits that only its trainer was told.
            _ if in_episode() => Self::Nothing,
            // MCP clients that are refused ask here for an authorization server; there is none, which 404 tells them.
            _ if path.starts_with("/.well-known/") => Self::Nothing,
            // It tells of all trainers.
            "/metrics" => Self::Admin,
            _ => Self::Token,
        }
    }
}

/// What a request to that path is refused with for its token, where there are tokens.
pub(super) fn refusals(path: &str) -> &'static [Code] {
    match Need::of(path) {
        Need::Nothing => &[],
        Need::Token => &[Code::Unauthorized],
        Need::Admin => &[Code::Unauthorized, Code::AdminOnly],
    }
}

/// The token that a request carries.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Front {
    /// That an episode exists for the caller.
    pub(super) fn require_seen(&self, caller: &Caller, id: &EpisodeId) -> Result<(), ApiError> {
        match caller {
            Caller::Admin | Caller::Anyone => Ok(()),
            Caller::Trainer(_) if caller.sees(self.farm.owner(id)?.as_ref()) => Ok(()),
            Caller::Trainer(_) => Err(FarmError::UnknownEpisode.into()),
        }
    }

    /// Makes episodes of the caller's, all or none, within its quota.
    pub(super) fn create(&self, caller: &Caller, mut specs: Vec<EpisodeSpec>) -> Result<Vec<EpisodeId>, ApiError> {
        for spec in &mut specs {
            spec.owner = caller.owner();
        }
        self.within_quota(caller, specs.len(), || self.farm.create_all(specs))
    }

    /// Does what makes `count` live episodes of the caller's, if it may have as many more.
    pub(super) fn within_quota<T>(
        &self,
        caller: &Caller,
        count: usize,
        make: impl FnOnce() -> Result<T, FarmError>,
    ) -> Result<T, ApiError> {
        let Caller::Trainer(trainer) = caller else { return Ok(make()?) };
        let Some(live_episodes_max) = trainer.token.live_episodes_max else { return Ok(make()?) };
        let _creating = trainer.creating.lock().unwrap_or_else(PoisonError::into_inner);
        let own = EpisodeFilter { owner: caller.owner(), state: Some(EpisodeState::Live), environment: None };
        let live = self.farm.count(&own);
        if live + count > live_episodes_max {
            return Err(ApiError::new(
                Code::QuotaExceeded,
                format!(
                    "this token may have {live_episodes_max} live episodes and has {live}; \
                     end or delete some, or wait until they expire"
                ),
            ));
        }
        Ok(make()?)
    }

    /// Counts a call in an episode of that owner's against its quota.
    pub(super) fn count_call(&self, owner: Option<&TokenName>) -> Result<(), ApiError> {
        let Some(trainer) = owner.and_then(|owner| self.auth.by_name.get(owner)) else { return Ok(()) };
        let Some(calls) = &trainer.calls else { return Ok(()) };
        if calls.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()) {
            return Ok(());
        }
        let per_s = trainer.token.calls_per_s.unwrap_or_default();
        Err(ApiError::new(
            Code::RateLimited,
            format!("the episodes of this token may make {per_s} calls a second together; the call was not made"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_needs_no_token_is_listed() {
        for path in ["/healthz", "/readyz", "/episodes/ep_0/mcp", "/.well-known/oauth-protected-resource"] {
            assert_eq!(Need::of(path), Need::Nothing, "{path}");
        }
        for path in [
            "/",
            "/episodes",
            "/episodes/ep_0",
            "/episodes/ep_0/verify",
            "/episodes/ep_0/verify/mcp",
            "/episodes/ep_0/mcp/",
            "/episodes/mcp",
            "/envs/notebook/mcp",
            "/openapi.json",
            "/healthz/",
        ] {
            assert_eq!(Need::of(path), Need::Token, "{path}");
        }
        assert_eq!(Need::of("/metrics"), Need::Admin);
    }

    #[test]
    fn a_bucket_refills() {
        let mut bucket = Bucket::new(2);
        let start = bucket.filled;
        assert!(bucket.take(start) && bucket.take(start) && !bucket.take(start));
        assert!(!bucket.take(start + Duration::from_millis(400)));
        assert!(bucket.take(start + Duration::from_millis(600)));
        assert!(!bucket.take(start + Duration::from_millis(600)));
        let later = start + Duration::from_secs(60);
        assert!(bucket.take(later) && bucket.take(later) && !bucket.take(later), "it holds a second's worth");
    }
}
