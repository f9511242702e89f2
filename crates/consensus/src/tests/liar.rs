//! A member that forges certificates, on the wire (seeds 4A-1 and 4A-2): the engine must not believe it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_consensus::simplex::types::Certificate;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::Clock as _;
use hanse_types::{Block, Body, Digest, Place};

use super::{
    cluster::{CHAIN, Cluster, run},
    fake::block,
};
use crate::{
    EngineBlock,
    certificate::Forged,
    config::raw,
    engine::Finalization,
    network::{Channels, Simulated},
    simulated_channels,
};

type Ends = Channels<Simulated<commonware_runtime::deterministic::Context>>;

/// Subject of a request for a block by digest, on the backfill channel.
const BLOCK: u8 = 0;
/// Subject of a request for a finalised block by height, on the backfill channel.
const FINALIZED: u8 = 1;

async fn ends(cluster: &Cluster, member: usize) -> Ends {
    simulated_channels(&cluster.oracle, &cluster.keys[member].public()).await.unwrap()
}

/// A certificate that only `member` signed.
fn alone(cluster: &Cluster, member: usize, view: u64, payload: Digest) -> Vec<u8> {
    let mut certificate = Forged {
        epoch: 0,
        view,
        parent_view: view - 1,
        payload,
        members: 4,
        bitmap: 1 << member,
        signatures: Vec::new(),
    };
    certificate.signatures = vec![certificate.sign(&CHAIN, &cluster.keys[member])];
    certificate.encode()
}

/// A block that nobody proposed.
fn invented(cluster: &Cluster, liar: usize, height: u64) -> Block {
    let place = Place {
        epoch: 0,
        view: height,
        leader: cluster.keys[liar].public(),
        parent_view: height - 1,
    };
    block(CHAIN, height, Some(place), Digest([3; 32]), height * 1_000, Body::default())
}

/// A message on the first epoch's own channel: behind its number, a varint.
fn in_epoch_0(message: &impl commonware_codec::Encode) -> Bytes {
    Bytes::from([&[0][..], &message.encode()].concat())
}

/// Whether `member` has cut `liar` off.
async fn blocked(cluster: &Cluster, member: usize, liar: usize) -> bool {
    let pairs = cluster.oracle.blocked().await.unwrap();
    let (a, b) = (cluster.keys[member].public(), cluster.keys[liar].public());
    pairs.iter().any(|(by, whom)| raw(by) == a && raw(whom) == b)
}

#[test]
fn defect_4a_1_one_signature_is_no_quorum() {
    run(31, |mut cluster| async move {
        for i in 0..3 {
            cluster.start(i).await;
        }
        let liar = 3;
        let mut ends = ends(&cluster, liar).await;
        cluster.reach(4).await;
        let view = cluster.member(0).handle.view() + 1;
        let payload = invented(&cluster, liar, 100).header.digest();
        let bytes = alone(&cluster, liar, view, payload);
        // It reads well: what is wrong with it is the number of signatures alone.
        let certificate = Finalization::decode_cfg(Copying(&bytes[..]), &4).unwrap();
        let message = in_epoch_0(&Certificate::Finalization(certificate));
        let sent = ends.certificates.0.send(Recipients::All, message, true);
        assert_eq!(sent.len(), 3);
        let height = cluster.agree();
        cluster.reach(height + 8).await;
        cluster.agree();
        for member in 0..3 {
            assert!(!cluster.member(member).app.chain().contains(&payload));
            assert!(blocked(&cluster, member, liar).await, "member {member} goes on listening");
        }
    });
}

/// What a liar answers on the backfill channel: the block that a true certificate names, so that its victim goes on asking,
/// and for every height a block of its own with a certificate that it alone signed.
struct Lies {
    true_digest: Vec<u8>,
    true_block: Bytes,
    by_height: Vec<(Digest, Bytes)>,
}

impl Lies {
    fn new(cluster: &Cluster, liar: usize, known: &Block) -> Self {
        let framed = |block: &Block| EngineBlock::new(Arc::new(block.clone())).encode();
        let by_height = (1..=64).map(|height| {
            let block = invented(cluster, liar, height);
            let digest = block.header.digest();
            let certificate = alone(cluster, liar, height, digest);
            (digest, Bytes::from([&certificate[..], &framed(&block)].concat()))
        });
        Self {
            true_digest: known.header.digest().0.to_vec(),
            true_block: framed(known),
            by_height: by_height.collect(),
        }
    }

    /// The answer to a request (8 bytes of id, a zero, the subject, digest or height), and the block if it is a lie.
    fn answer(&self, request: &[u8]) -> Option<(Bytes, Option<Digest>)> {
        let (value, lie) = match request {
            [_, _, _, _, _, _, _, _, 0, BLOCK, digest @ ..] if *digest == self.true_digest[..] => {
                (&self.true_block, None)
            }
            // A varint below 128 is one byte.
            [_, _, _, _, _, _, _, _, 0, FINALIZED, height @ 1..=64] => {
                let (digest, value) = &self.by_height[usize::from(*height) - 1];
                (value, Some(*digest))
            }
            _ => return None,
        };
        let answer = [&request[..8], &[1], &value.encode()[..]].concat();
        Some((Bytes::from(answer), lie))
    }
}

#[test]
fn defect_4a_2_sync_refuses_block_signed_by_one() {
    run(32, |mut cluster| async move {
        for i in 0..3 {
            cluster.start(i).await;
        }
        cluster.reach(30).await;
        // Member 2 is replaced by a liar. Member 3 starts late, and at first meets nobody else.
        let (liar, late) = (2, 3);
        let (height, bytes) = cluster.member(0).handle.certified_from(25).await.unwrap();
        let known = cluster.member(0).handle.block(height).await.unwrap();
        cluster.crash(liar).await;
        cluster.link(|a, b| (a == late) == (b == late) || a == liar || b == liar).await;
        let mut ends = ends(&cluster, liar).await;
        let lies = Lies::new(&cluster, liar, &known);
        let mut config = cluster.config(late);
        // So it asks nobody for its votes, and needs nobody's but the liar's word to begin.
        config.verifier_only = true;
        let fake = cluster.fake();
        cluster.start_config(late, config, fake).await;
        let victim = crate::simulated_key(&cluster.keys[late].public());
        let certificate = Finalization::decode_cfg(Copying(&bytes[..]), &4).unwrap();
        let certificate = in_epoch_0(&Certificate::Finalization(certificate));
        ends.certificates.0.send(Recipients::One(victim), certificate, true);
        let (mut sender, mut receiver) = ends.backfill;
        let told = loop {
            let (from, message) = receiver.recv().await.unwrap();
            let message: Bytes = message.into();
            if let Some((answer, lie)) = lies.answer(&message) {
                sender.send(Recipients::One(from), answer, true);
                if let Some(lie) = lie {
                    break lie;
                }
            }
        };
        while !blocked(&cluster, late, liar).await {
            cluster.context.sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(cluster.member(late).handle.height(), 0, "it took the liar's block");
        // From honest members it gets the chain.
        cluster.link(|_, _| true).await;
        let honest = cluster.member(0).handle.height();
        cluster.member(late).reach(height.min(honest)).await;
        cluster.agree();
        assert!(!cluster.member(late).app.chain().contains(&told));
    });
}
