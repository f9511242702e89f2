//! A member that forges certificates, on the wire (seeds 4A-1 and 4A-2): the engine must not believe it.

use std::time::Duration;

use bytes::Bytes;
use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_consensus::simplex::types::Certificate;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use hanse_types::{Block, Body, Digest, Place, encode};

use super::{
    cluster::{CHAIN, Cluster, run},
    fake::block,
};
use crate::{
    certificate::Forged,
    config::raw,
    engine::Finalization,
    network::{Channels, Simulated},
    simulated_channels,
};

type Ends = Channels<Simulated<commonware_runtime::deterministic::Context>>;

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
        let message = Certificate::Finalization(certificate).encode();
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

#[test]
fn defect_4a_2_sync_refuses_block_signed_by_one() {
    run(32, |mut cluster| async move {
        for i in 0..3 {
            cluster.start(i).await;
        }
        cluster.reach(30).await;
        // Member 2 is replaced by a liar, member 3 starts late and has to ask for all blocks.
        let (liar, late) = (2, 3);
        cluster.crash(liar).await;
        let Channels { backfill: (mut sender, mut receiver), .. } = ends(&cluster, liar).await;
        let keys = cluster.keys.clone();
        let (told, mut lies) = commonware_utils::channel::mpsc::unbounded_channel();
        let context = cluster.context.child("liar");
        context.spawn({
            let answers: Vec<(Digest, Vec<u8>)> = (1..=64)
                .map(|height| {
                    let block = invented(&cluster, liar, height);
                    let digest = block.header.digest();
                    let certificate = alone(&cluster, liar, height, digest);
                    let block = encode(&block);
                    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
                    (digest, [certificate, length.to_vec(), block].concat())
                })
                .collect();
            let late = crate::simulated_key(&keys[late].public());
            move |_| async move {
                while let Ok((from, message)) = receiver.recv().await {
                    let message: Bytes = message.into();
                    // Request: 8 bytes of id, a zero, the subject, the height as a varint below 128.
                    let [id @ .., 0, FINALIZED, height @ 1..=64] = &message[..] else {
                        continue;
                    };
                    if from != late {
                        continue;
                    }
                    let (digest, value) = &answers[usize::from(*height) - 1];
                    let answer = (Bytes::from(value.clone())).encode();
                    let reply = [id, &[1], &answer[..]].concat();
                    sender.send(Recipients::One(from), Bytes::from(reply), true);
                    let _gone = told.send(*digest);
                }
            }
        });
        cluster.start(late).await;
        let first = lies.recv().await.expect("the late member asks the liar too");
        let honest = cluster.member(0).handle.height();
        cluster.reach(honest.max(30)).await;
        cluster.agree();
        assert!(!cluster.member(late).app.chain().contains(&first));
        cluster.context.sleep(Duration::from_secs(1)).await;
        assert!(blocked(&cluster, late, liar).await, "the late member goes on asking the liar");
    });
}
