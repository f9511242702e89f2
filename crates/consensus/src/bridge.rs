//! Answers the engine's two questions, "what do you propose?" and "is this valid?", from the application.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use commonware_consensus::{
    Application as EngineApplication, Epochable as _, Heightable as _,
    marshal::ancestry::{Ancestry, BoxedAncestry},
};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_runtime::Clock;
use futures::{
    StreamExt as _,
    future::{BoxFuture, Either, select},
};
use hanse_types::{Command, Place};

use crate::{
    EngineBlock, Pace, Verdict,
    config::raw,
    engine::{Context, Mailbox, PublicKey, Runtime, Scheme, now_ms},
    schemes::Schemes,
    spine::{Spine, Standing},
};

/// Unknown ancestors fetched and held at once. Longer ways are left to marshal's ordered backfill as long as it advances.
const WALK: usize = 16;
/// How long marshal may make no progress before another stretch of ancestors is fetched here all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long an empty block that only settles proofs waits for commands to join it: about the time a client needs to send
/// its next command, several times over.
const LINGER: Duration = Duration::from_millis(10);

/// How long a leader waits for more commands when fewer wait than the block before carried, or that one is not committed
/// yet, and how much longer for each KiB of it: about what answering so many clients takes on a busy machine.
const COMPANY: Duration = Duration::from_millis(3);
const COMPANY_PER_KIB: Duration = Duration::from_micros(30);
/// The longest such wait.
const COMPANY_MAX: Duration = Duration::from_millis(15);

#[derive(Clone)]
pub(crate) struct Bridge {
    pub(crate) spine: Arc<Spine>,
    pub(crate) marshal: Mailbox,
    pub(crate) heartbeat: Duration,
    pub(crate) schemes: Schemes,
    pub(crate) me: PublicKey,
}

impl<E: Runtime> EngineApplication<E> for Bridge {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = EngineBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (runtime, context): (E, Context),
        ancestry: impl Ancestry<EngineBlock>,
        (): (),
    ) -> Option<Digested<EngineBlock>> {
        let mut ancestry = BoxedAncestry::new(ancestry);
        let parent = ancestry.next().await?;
        if !self.admit_with_ancestors(&runtime, parent.inner().clone(), ancestry).await {
            return None;
        }
        let digest = hanse_types::Digest(parent.digest().0);
        let bytes: usize = parent.inner().block().body.commands().map(Command::size).sum();
        self.await_work(&runtime, digest, (bytes / 1024) as u32).await;
        let place = Place {
            epoch: context.epoch().get(),
            view: context.round.view().get(),
            leader: raw(&context.leader),
            parent_view: context.parent.0.get(),
        };
        let block = self.spine.app.build(place, digest, now_ms(&runtime))?;
        let block = EngineBlock::new(block);
        self.spine.candidate(block.clone());
        let digest = block.digest();
        Some(Digested::precomputed(block, digest))
    }

    async fn verify(
        &mut self,
        (runtime, _): (E, Context),
        ancestry: impl Ancestry<EngineBlock>,
    ) -> bool {
        let mut ancestry = BoxedAncestry::new(ancestry);
        let Some(block) = ancestry.next().await else {
            // The engine yields the block itself first; without it there is nothing to vote on.
            return std::future::pending().await;
        };
        self.admit_with_ancestors(&runtime, block.inner().clone(), ancestry).await
    }
}

impl Bridge {
    /// Waits until a block on `parent`, whose body has so many KiB, is worth proposing, at most a heartbeat.
    async fn await_work<E: Runtime>(&self, runtime: &E, parent: hanse_types::Digest, kib: u32) {
        let app = &self.spine.app;
        let company = (COMPANY + COMPANY_PER_KIB * kib).min(COMPANY_MAX);
        let at = |pace, linger| {
            let work = app.work(parent, pace);
            Box::pin(async move {
                work.await;
                runtime.sleep(linger).await;
            })
        };
        let paced = select(at(Pace::Soon, company), at(Pace::Settling, LINGER));
        let waiting = select(paced, Box::pin(runtime.sleep(self.heartbeat)));
        drop(select(app.work(parent, Pace::Now), waiting).await);
    }

    /// Executes `block`, its unknown ancestors first. Pending until there is an answer that lasts.
    fn admit_with_ancestors<'a, E: Runtime>(
        &'a self,
        runtime: &'a E,
        block: EngineBlock,
        mut ancestry: BoxedAncestry<EngineBlock>,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            // Newest first; the last one is the oldest not known to be executed.
            let mut waiting = vec![block];
            while let Some(oldest) = waiting.last() {
                match self.spine.standing(oldest) {
                    Standing::Known | Standing::Committed => {
                        waiting.pop();
                    }
                    Standing::Conflicts => return false,
                    Standing::Old => {
                        let height = oldest.height();
                        match self.marshal.get_info(height).await {
                            Some((_, digest)) if digest == oldest.digest() => waiting.pop(),
                            _ => return false,
                        };
                    }
                    Standing::Ready => {
                        let block = oldest.clone();
                        match self.admit(runtime, &block).await {
                            Some(true) => {
                                waiting.pop();
                            }
                            Some(false) => return false,
                            // The tip moved meanwhile; look again.
                            None => {}
                        }
                    }
                    Standing::Orphan => {
                        if waiting.len().is_multiple_of(WALK) {
                            self.await_backfill(runtime, oldest.height().get()).await;
                            if self.spine.standing(waiting.last().expect("not empty"))
                                != Standing::Orphan
                            {
                                continue;
                            }
                        }
                        let Some(parent) = ancestry.next().await else {
                            return std::future::pending().await;
                        };
                        waiting.push(parent.inner().clone());
                    }
                }
            }
            true
        })
    }

    /// Waits while commits advance towards `height`, and returns when they reached it or stopped.
    async fn await_backfill<E: Runtime>(&self, runtime: &E, height: u64) {
        let mut heights = self.spine.heights();
        while *heights.borrow_and_update() + 1 < height {
            let patience = Box::pin(runtime.sleep(PATIENCE));
            let changed = Box::pin(heights.changed());
            match select(changed, patience).await {
                Either::Left((Ok(()), _)) => {}
                Either::Left((Err(_), _)) | Either::Right(_) => return,
            }
        }
    }

    /// Asks the application until its verdict lasts; `None` when the parent is gone.
    async fn admit<E: Runtime>(&self, runtime: &E, block: &EngineBlock) -> Option<bool> {
        let digest = hanse_types::Digest(block.digest().0);
        loop {
            match self.spine.app.admit(block.block(), digest, now_ms(runtime)) {
                Verdict::Valid => {
                    self.spine.candidate(block.clone());
                    return Some(true);
                }
                Verdict::Invalid(reason) => {
                    tracing::warn!(height = block.height().get(), %digest, %reason, "refused a proposal");
                    return Some(false);
                }
                Verdict::Early(at_ms) => {
                    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
                    Clock::sleep_until(runtime, at).await;
                }
                Verdict::Unsettled(height) => self.await_settled(runtime, height, block).await,
                Verdict::Orphan => return None,
            }
        }
    }

    /// Waits until this member has the state root of `height`, which `block` carries.
    ///
    /// Whoever proposed `block` had committed `height`; the certificate may have been lost here, with nobody about to send
    /// it again: the committee is past that view, and this block can be neither certified nor skipped when half of the
    /// members voted to finalise it. So the others are asked for it.
    async fn await_settled<E: Runtime>(&self, runtime: &E, height: u64, block: &EngineBlock) {
        let mut settled = self.spine.app.settled(height);
        loop {
            let patience = Box::pin(runtime.sleep(PATIENCE));
            match select(settled, patience).await {
                Either::Left(_) => return,
                Either::Right(((), rest)) => settled = rest,
            }
            if self.spine.height() < height
                && let Some(others) = self.schemes.others(&self.me)
            {
                // The block at `height` may have been finalised through a descendant, which has the certificate.
                for at in height..block.height().get() {
                    let at = commonware_consensus::types::Height::new(at);
                    self.marshal.hint_finalized(at, others.clone());
                }
            }
        }
    }
}
