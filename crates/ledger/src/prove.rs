//! Making proofs that someone who trusts no single member can check offline.

use std::sync::Arc;

use hanse_execution::{Key, World};
use hanse_proof::{
    Claim, Entry, Finalization, Handover, LeafPath, Proof, StateBranch, StateProofItem,
    decode_finalization, limits::HANDOVERS_MAX,
};
use hanse_types::{Block, CommandKind, Digest, Header, Height, Record, StateKey};

use crate::{
    Ledger, MANIFEST_VERSION, Manifest, Still,
    limits::{PROOF_HEADERS_MAX, PROOF_KEYS_MAX, SNAPSHOT_BLOCKS_MAX},
    query::Committed,
    settle::TreeAnswer,
};

/// What is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The receipt of an action.
    Receipt {
        /// Command id.
        command: Digest,
        /// Position in a session batch; 0 for a signed command.
        item: u32,
    },
    /// What stands, or that nothing stands, at state keys. One key gives a `value` or `absence` proof, more give an `image` proof.
    Lookup {
        /// [`hanse_types::StateKey::encode`]d.
        keys: Vec<Vec<u8>>,
    },
    /// Everything in a half-open range of state keys, and that there is nothing else.
    Range {
        /// First key.
        start: Vec<u8>,
        /// First key after the range; empty for "to the last".
        end: Vec<u8>,
    },
    /// One change.
    Event {
        /// The block.
        height: Height,
        /// Position of the action in the block.
        index: u32,
        /// Position of the event in the action.
        event: u32,
    },
    /// Who votes after an epoch that has ended. Kept for ever where members change, for others as long as the block.
    Handover {
        /// The epoch that ended.
        epoch: u64,
    },
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// There is no such command, block or event here.
    #[error("there is nothing to prove under that name")]
    NotFound,
    /// The block is older than what this member keeps in memory.
    #[error("this member keeps blocks from height {oldest} on in memory")]
    Forgotten {
        /// The oldest height kept.
        oldest: Height,
    },
    /// Over [`PROOF_KEYS_MAX`] keys, or too many headers to the next certificate.
    #[error("the proof would be larger than allowed")]
    TooLarge,
    /// Too many proofs are waiting.
    #[error("too many proofs are waiting; try again in a moment")]
    Busy,
    /// The member stops, or its map failed.
    #[error("this member stopped before the proof was made")]
    Stopped,
}

/// A question to the authenticated map.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Lookup(Vec<Vec<u8>>),
    Range { start: Vec<u8>, end: Vec<u8> },
}

impl Wanted {
    /// The keys whose records answer the question in `world`: the key itself, or the one before it; for a range all in it and the one before.
    pub(crate) fn records(&self, world: &World) -> Vec<Key> {
        match self {
            Self::Lookup(keys) => keys.iter().filter_map(|key| at_or_before(world, key)).collect(),
            Self::Range { start, end } => {
                let mut keys: Vec<Key> = at_or_before(world, start).into_iter().collect();
                let inside = world.range(start, end).map(|(key, _)| key.clone());
                keys.extend(inside.take(PROOF_KEYS_MAX + 1));
                keys.dedup();
                keys
            }
        }
    }

    /// Slots of [`Wanted::records`]; nothing when there are too many, which the asker then reports.
    pub(crate) fn slots(&self, world: &World) -> Vec<Digest> {
        let records = self.records(world);
        if records.len() > PROOF_KEYS_MAX {
            return Vec::new();
        }
        records.iter().map(|key| Record::slot(key)).collect()
    }
}

fn at_or_before(world: &World, key: &[u8]) -> Option<Key> {
    world.range(key, &[]).next().map(|(k, _)| k.clone()).filter(|k| **k == *key).or_else(|| {
        // Every world holds the first record, whose key is empty, so only the empty key has nothing before it.
        world.before(key).map(|(k, _)| k.clone())
    })
}

impl Ledger {
    /// Makes the proof asked for; waits until what it needs is settled and certified.
    ///
    /// # Errors
    /// [`ProveError`], see its variants.
    pub async fn prove(self: &Arc<Self>, ask: Ask) -> Result<Vec<u8>, ProveError> {
        match ask {
            Ask::Receipt { command, item } => {
                let place = self.inner.lock().places.get(&command).copied();
                let (height, first) = place.ok_or(ProveError::NotFound)?;
                let committed = self.block(height).ok_or(ProveError::NotFound)?;
                let claim = receipt_claim(&committed, command, first.saturating_add(item))?;
                self.finish(claim, height + 1).await
            }
            Ask::Event { height, index, event } => {
                let committed = self.kept(height)?;
                let claim = event_claim(&committed, index, event)?;
                self.finish(claim, height + 1).await
            }
            Ask::Lookup { keys } => {
                if keys.is_empty() || keys.len() > PROOF_KEYS_MAX {
                    return Err(ProveError::TooLarge);
                }
                let (answer, carrier) = self.ask_tree(Wanted::Lookup(keys.clone())).await?;
                self.finish(lookup_claim(keys, &answer)?, carrier).await
            }
            Ask::Range { start, end } => {
                let wanted = Wanted::Range { start: start.clone(), end: end.clone() };
                let (answer, carrier) = self.ask_tree(wanted).await?;
                self.finish(range_claim(start, end, &answer)?, carrier).await
            }
            Ask::Handover { epoch } => {
                let (handover, bytes) = self.boundary(epoch).await?;
                let claim = Claim::Handover { committee: handover.committee };
                self.seal(vec![handover.header], &bytes, claim).await
            }
        }
    }

    /// What proves the state of `still` and lets others go on from it: the manifest, and the blocks after its own up to a
    /// certified one. `branch` is what the map said of [`Still::slot`] while it stood there. Waits for a certificate.
    ///
    /// # Errors
    /// [`ProveError::Forgotten`] if that certificate is of a later epoch, or the blocks are no longer kept;
    /// [`ProveError::Stopped`] if the member stops.
    pub async fn manifest(
        self: &Arc<Self>,
        still: &Still,
        branch: Vec<u8>,
    ) -> Result<(Manifest, Vec<Arc<Block>>), ProveError> {
        let forgotten = |ledger: &Self| {
            let oldest = ledger.inner.lock().oldest();
            ProveError::Forgotten { oldest }
        };
        let base = still.base.clone();
        let mut watch = self.watch(still.height + 1);
        let mut after = Vec::new();
        let finalization = loop {
            let next =
                watch.next().await.map_err(|l| ProveError::Forgotten { oldest: l.oldest })?;
            let committed = next.ok_or(ProveError::Stopped)?;
            let header = &committed.block.header;
            if header.place.epoch != base.place.epoch || after.len() >= SNAPSHOT_BLOCKS_MAX {
                return Err(forgotten(self));
            }
            after.push(committed.block.clone());
            if let Some(bytes) = committed.finalization.clone()
                && header.height >= still.carrier
            {
                break bytes;
            }
        };
        let keys = vec![StateKey::Aside.encode()];
        let proofs = vec![branch];
        let answer = TreeAnswer { carrier: still.carrier, world: still.world.clone(), proofs };
        let claim = lookup_claim(keys, &answer)?;
        let headers = after.iter().map(|block| block.header.clone());
        let headers = headers.filter(|header| header.height >= still.carrier).collect();
        let proof = self.seal(headers, &finalization, claim).await?;
        let turns = self.inner.lock().epochs.turns(base.place.epoch);
        let turns = turns.ok_or_else(|| forgotten(self))?;
        let (version, history) = (MANIFEST_VERSION, still.history.clone());
        Ok((Manifest { version, proof, base, history, turns, finalization }, after))
    }

    fn kept(&self, height: Height) -> Result<Arc<Committed>, ProveError> {
        let oldest = {
            let inner = self.inner.lock();
            inner.oldest()
        };
        if height < oldest {
            return Err(ProveError::Forgotten { oldest });
        }
        self.block(height).ok_or(ProveError::NotFound)
    }

    /// Adds the headers from the one that carries the claim's root up to the next certified one, and its certificate.
    async fn finish(
        self: &Arc<Self>,
        claim: Claim,
        carrier: Height,
    ) -> Result<Vec<u8>, ProveError> {
        let mut headers: Vec<Header> = Vec::new();
        let mut watch = self.watch(carrier);
        loop {
            let next =
                watch.next().await.map_err(|l| ProveError::Forgotten { oldest: l.oldest })?;
            let committed = next.ok_or(ProveError::Stopped)?;
            let header = &committed.block.header;
            headers.push(header.clone());
            if let Some(bytes) = &committed.finalization {
                return self.seal(headers, bytes, claim).await;
            }
            // Headers of one proof are of one epoch: the last one of it is certified itself, if not here, then elsewhere.
            if self.genesis.params.is_last_of_epoch(header.height) {
                let (_, bytes) = self.boundary(header.place.epoch).await?;
                return self.seal(headers, &bytes, claim).await;
            }
            if headers.len() >= PROOF_HEADERS_MAX {
                return Err(ProveError::TooLarge);
            }
        }
    }

    /// Writes the proof: `bytes` certify the last of `headers`, and the members that signed are led to from the founders.
    async fn seal(
        self: &Arc<Self>,
        headers: Vec<Header>,
        bytes: &[u8],
        claim: Claim,
    ) -> Result<Vec<u8>, ProveError> {
        let epoch = headers.last().map_or(0, |header| header.place.epoch);
        let changed = self.inner.lock().epochs.changed_before(epoch);
        if changed.len() > HANDOVERS_MAX {
            return Err(ProveError::TooLarge);
        }
        let mut handovers = Vec::with_capacity(changed.len());
        for earlier in changed {
            handovers.push(self.boundary(earlier).await?.0);
        }
        let finalization = self.read_certificate(epoch, bytes)?;
        let proof = Proof {
            chain_id: self.chain_id,
            anchor_epoch: 0,
            handovers,
            headers,
            finalization,
            claim,
        };
        Ok(proof.encode())
    }

    /// The last header of `epoch` with its certificate, read and as the engine's bytes; waits until this member has it.
    async fn boundary(self: &Arc<Self>, epoch: u64) -> Result<(Handover, Vec<u8>), ProveError> {
        let look = || {
            let inner = self.inner.lock();
            if inner.stopped {
                return Some(Err(ProveError::Stopped));
            }
            let Some(boundary) = inner.epochs.boundary(epoch) else {
                let ended = epoch < inner.chain.tip().succession.epoch;
                let oldest = inner.oldest();
                let forgotten = ProveError::Forgotten { oldest };
                return Some(Err(if ended { forgotten } else { ProveError::NotFound }));
            };
            let bytes = boundary.finalization.clone()?;
            Some(Ok((boundary.header.clone(), boundary.next.clone(), bytes)))
        };
        let (header, committee, bytes) = self.changed.until(look).await?;
        let finalization = self.read_certificate(epoch, &bytes)?;
        Ok((Handover { header, finalization, committee }, bytes))
    }

    fn read_certificate(&self, epoch: u64, bytes: &[u8]) -> Result<Finalization, ProveError> {
        let members = self.committee_of(epoch).map_or(0, |committee| committee.members.len());
        let (_, finalization) = decode_finalization(bytes, members).map_err(|error| {
            tracing::error!(%error, epoch, "the engine's certificate cannot be read");
            ProveError::Stopped
        })?;
        Ok(finalization)
    }
}

fn receipt_claim(committed: &Committed, command: Digest, index: u32) -> Result<Claim, ProveError> {
    let applied = committed.applied.get(index as usize).ok_or(ProveError::NotFound)?;
    if applied.receipt.command != command {
        return Err(ProveError::NotFound);
    }
    let leaves: Vec<Digest> = committed.applied.iter().map(|a| a.receipt.digest()).collect();
    let path = LeafPath::new(&leaves, index.into()).ok_or(ProveError::NotFound)?;
    let sent = committed.block.body.commands().find(|c| c.id() == command).cloned();
    // A batch of other clients' actions is not this client's to show; a signed command is.
    let command = sent.filter(|c| c.kind == CommandKind::Signed as u16);
    let actor = Some((*applied.actor).clone());
    Ok(Claim::Receipt { receipt: applied.receipt.clone(), command, actor, path })
}

fn event_claim(committed: &Committed, index: u32, event: u32) -> Result<Claim, ProveError> {
    let applied = committed.applied.get(index as usize).ok_or(ProveError::NotFound)?;
    let change = applied.changes.get(event as usize).ok_or(ProveError::NotFound)?;
    let before: usize = committed.applied[..index as usize].iter().map(|a| a.changes.len()).sum();
    let leaves: Vec<Digest> =
        committed.applied.iter().flat_map(|a| a.changes.iter().map(|c| c.event.digest())).collect();
    let path =
        LeafPath::new(&leaves, before as u64 + u64::from(event)).ok_or(ProveError::NotFound)?;
    Ok(Claim::Event {
        event: change.event.clone(),
        key: Some(change.key.to_vec()),
        value: change.entry.as_ref().map(|e| e.value.to_vec()),
        actor: Some((*applied.actor).clone()),
        path,
    })
}

fn lookup_claim(keys: Vec<Vec<u8>>, answer: &TreeAnswer) -> Result<Claim, ProveError> {
    if answer.proofs.len() != keys.len() {
        return Err(ProveError::TooLarge);
    }
    let world = &answer.world;
    let items: Result<Vec<_>, ProveError> = keys
        .into_iter()
        .zip(&answer.proofs)
        .map(|(key, branch)| match world.get(&key) {
            Some(entry) => {
                let record = world.record(&key).ok_or(ProveError::NotFound)?;
                let value = Some(entry.value.to_vec());
                StateProofItem::value(record, value, branch).map_err(|e| broken(&e))
            }
            None => {
                let before = world.before(&key).ok_or(ProveError::NotFound)?.0.clone();
                let record = world.record(&before).ok_or(ProveError::NotFound)?;
                StateProofItem::absence(&key, record, branch).map_err(|e| broken(&e))
            }
        })
        .collect();
    let mut items = items?;
    Ok(if items.len() == 1 { Claim::State(items.remove(0)) } else { Claim::Image { items } })
}

fn range_claim(start: Vec<u8>, end: Vec<u8>, answer: &TreeAnswer) -> Result<Claim, ProveError> {
    let world = &answer.world;
    let keys = Wanted::Range { start: start.clone(), end }.records(world);
    if keys.len() != answer.proofs.len() {
        return Err(ProveError::TooLarge);
    }
    let mut entries = Vec::new();
    for (key, branch) in keys.iter().zip(&answer.proofs) {
        let record = world.record(key).ok_or(ProveError::NotFound)?;
        let branch = StateBranch::decode(branch).map_err(|e| broken(&e))?;
        // The record before the range only shows where the range begins: its value is not asked for.
        let inside = **key >= *start;
        let value = world.get(key).filter(|_| inside).map(|e| e.value.to_vec());
        entries.push(Entry { record, value, branch });
    }
    Ok(Claim::Range { entries })
}

fn broken(error: &hanse_proof::ProofError) -> ProveError {
    tracing::error!(%error, "the map gave a branch that cannot be read");
    ProveError::Stopped
}
