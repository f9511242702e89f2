//! Four organisations with keys that everybody can compute.

use hanse_crypto::{SigningKey, Suite, hash};
use hanse_member::ConsensusKey;
use hanse_types::{ChainParams, Genesis, GenesisOrganisation, Threshold};

use crate::{MEMBERS, START_MS};

/// Timings and limits of a real network.
const PARAMS: ChainParams = ChainParams {
    protocol_version: 1,
    heartbeat_ms: 2_000,
    leader_timeout_ms: 3_000,
    certification_timeout_ms: 4_000,
    clock_ahead_max_ms: 500,
    // Short, so that every scenario crosses many boundaries.
    epoch_blocks: 32,
    spaces_per_organisation: 16,
    motion: Threshold::TWO_THIRDS,
    motion_high: Threshold::ALL,
};

/// Name of the organisation of `member`.
pub fn name(member: usize) -> String {
    format!("org{member}")
}

fn seed(role: &str, member: usize) -> [u8; 32] {
    hash("hanse-simulator/key", &[role.as_bytes(), &[member as u8]]).0
}

/// Its administrator's key. Suites take turns, so that all of them are on the chain.
pub fn admin(member: usize) -> SigningKey {
    let suites = [Suite::Ed25519, Suite::P256, Suite::Secp256k1];
    SigningKey::from_seed(suites[member % suites.len()], seed("admin", member))
}

/// Its gateway's key.
pub fn gateway(member: usize) -> SigningKey {
    SigningKey::from_seed(Suite::Ed25519, seed("gateway", member))
}

/// Its member's key.
pub fn consensus(member: usize) -> ConsensusKey {
    ConsensusKey::from_seed_bytes(seed("consensus", member))
}

/// What all members agreed on. Equal for all seeds.
pub fn genesis() -> Genesis {
    let organisations = (0..MEMBERS).map(|member| GenesisOrganisation {
        name: name(member),
        admin: admin(member).public(),
        consensus: consensus(member).public(),
        gateways: vec![gateway(member).public()],
    });
    Genesis {
        version: 1,
        name: "simulated".to_owned(),
        created_ms: START_MS - 1,
        params: PARAMS,
        organisations: organisations.collect(),
    }
}
