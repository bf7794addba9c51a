//! Scratch episodes: what a stateless client on `/envs/{name}/mcp` plays in.
//!
//! Such a client sends nothing that tells one conversation from the next, so an episode is kept per caller. It is for
//! trying things out; isolation is `/episodes/{id}/mcp`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::{Front, auth};
use crate::episode::EpisodeState;
use crate::farm::{EpisodeSpec, FarmError, LiveEpisode};
use crate::id::{EnvironmentName, EpisodeId, TaskName};

/// Who is calling, as far as a stateless request tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Whoever holds this token; kept as a digest, since a token is a secret.
    Bearer([u8; 32]),
    /// A program by its own name at an address. Ports change with every connection, so they don't count.
    Client { address: Option<IpAddr>, name: Option<String> },
}

impl Caller {
    /// The holder of `token`.
    pub(super) fn bearer(token: &str) -> Self {
        Self::Bearer(Sha256::digest(token.as_bytes()).into())
    }
}

/// What tells scratch episodes apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) environment: EnvironmentName,
    pub(super) task: Option<TaskName>,
    pub(super) seed: u64,
    pub(super) caller: Caller,
    /// `?as=NAME`: several agents of one caller.
    pub(super) alias: Option<String>,
}

/// The scratch episodes there are; at most `max`, of which the least recently used makes room for a new one.
#[derive(Debug)]
pub(super) struct Scratch {
    max: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    slots: HashMap<Key, Slot>,
    uses: u64,
}

#[derive(Debug)]
struct Slot {
    id: EpisodeId,
    used: u64,
}

impl Scratch {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), shelf: Mutex::default() }
    }

    /// The caller's episode, a fresh one if it has none or its last has ended or expired.
    pub(super) fn episode(&self, front: &Front, owner: &auth::Caller, key: Key) -> Result<Arc<LiveEpisode>, ApiError> {
        let farm = &front.farm;
        let known = self.known(&key);
        if let Some(id) = known
            && let Ok(live) = farm.episode(&id)
        {
            if live.lock().state() == EpisodeState::Live {
                return Ok(live);
            }
            // Gone already if the farm expired it in between, which is as good.
            drop(farm.remove(&id));
        }
        let spec = EpisodeSpec {
            environment: key.environment.clone(),
            task: key.task.clone(),
            seed: key.seed,
            actor: None,
            owner: None,
        };
        let id = self.replace(front, owner, key, known, spec)?;
        Ok(farm.episode(&id)?)
    }

    fn known(&self, key: &Key) -> Option<EpisodeId> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let slot = shelf.slots.get_mut(key)?;
        slot.used = uses;
        Some(slot.id)
    }

    /// Puts a fresh episode in the caller's slot, unless another request has done so since `known` was looked up.
    fn replace(
        &self,
        front: &Front,
        owner: &auth::Caller,
        key: Key,
        known: Option<EpisodeId>,
        spec: EpisodeSpec,
    ) -> Result<EpisodeId, ApiError> {
        let mut shelf = self.lock();
        if let Some(slot) = shelf.slots.get(&key)
            && Some(slot.id) != known
        {
            return Ok(slot.id);
        }
        let created = front.create(owner, vec![spec])?;
        let id = created.into_iter().next().ok_or(FarmError::UnknownEpisode)?;
        shelf.uses += 1;
        let used = shelf.uses;
        shelf.slots.insert(key, Slot { id, used });
        if shelf.slots.len() > self.max {
            let oldest = shelf.slots.iter().min_by_key(|(_, slot)| slot.used).map(|(key, _)| key.clone());
            if let Some(slot) = oldest.and_then(|key| shelf.slots.remove(&key)) {
                drop(front.farm.remove(&slot.id));
            }
        }
        Ok(id)
    }

    /// A panic elsewhere can't leave the shelf half-changed: every change is one insert or remove.
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
