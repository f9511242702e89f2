//! Whole committees in the deterministic runtime: four members, a small application, faults.

mod base;
mod cluster;
mod epochs;
mod fake;
mod faults;
mod forgotten;
mod liar;

/// A configuration for a committee of `n`, for what only looks at its numbers.
pub(crate) fn config_of(n: u8) -> crate::Config {
    let keys = cluster::keys(n);
    crate::Config {
        chain_id: cluster::CHAIN,
        committee: cluster::committee(&keys),
        signer: keys[0].clone(),
        params: cluster::params(),
        partition_prefix: "sizes".to_owned(),
        verifier_only: false,
        doubt: std::sync::Arc::new(|_| Box::pin(std::future::ready(true))),
        sizes: crate::Sizes::default(),
    }
}

/// What a real committee of four certified: the certificate of some block, that block, and who may sign.
pub(crate) fn certified() -> (Vec<u8>, hanse_types::Block, hanse_types::Committee) {
    cluster::run(21, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(6).await;
        let handle = &cluster.member(0).handle;
        let (height, bytes) = handle.certified_from(3).await.unwrap();
        let block = handle.block(height).await.unwrap();
        (bytes, (*block).clone(), cluster.committee.clone())
    })
}

pub(crate) use cluster::{CHAIN, keys};
