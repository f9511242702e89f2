//! A member that forges certificates, on the wire (seeds 4A-1 and 4A-2): the engine must not believe it.

use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_consensus::simplex::types::Certificate;
use commonware_p2p::{Recipients, Sender as _};
use hanse_types::{Block, Body, Digest, Place};

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
