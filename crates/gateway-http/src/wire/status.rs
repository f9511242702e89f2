//! The member in one page (CONTRACT 2).

use hanse_ledger::LedgerStatus;
use hanse_types::Genesis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    EngineView,
    config::{CertificateView, MemberState, MemberView},
};

/// Where the chain and its committee stand, as this member sees them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct StatusShown {
    /// Layout: 1.
    v: u8,
    /// In hex.
    chain_id: String,
    /// Newest committed height.
    height: u64,
    /// That block's time in milliseconds since 1970.
    time_ms: u64,
    /// The same, RFC 3339.
    time: String,
    epoch: u64,
    committee: Vec<Member>,
    /// The newest certificate held; of height 0 and signed by none before the first, for genesis needs none.
    certificate: Certificate,
    /// Newest height whose state root a committed header carries: proofs are made at it.
    settled_height: u64,
    /// Commands waiting here.
    pool_commands: u64,
    /// True once history is replayed and this member takes commands.
    ready: bool,
    /// Version this member runs.
    version: String,
}

/// One seat of the committee.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommitteeMember)]
pub(crate) struct Member {
    organisation: String,
    /// Consensus key in hex.
    member: String,
    /// `live`, `behind`, `unreachable` or `unknown`.
    state: &'static str,
    /// Height it was last heard of at; null if never.
    height: Option<u64>,
}

/// A certificate in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Certificate {
    height: u64,
    /// Members that signed.
    signed: u32,
    /// Members of the committee.
    of: u32,
    /// Signatures it needs.
    need: u32,
}

/// What this member runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionShown {
    /// Of the product.
    pub(crate) version: String,
    /// Protocol version of the chain.
    pub(crate) protocol: u16,
    /// Of this API.
    pub(crate) api: &'static str,
}

impl StatusShown {
    pub(crate) fn new(
        genesis: &Genesis,
        desk: &LedgerStatus,
        engine: EngineView,
        version: &str,
    ) -> Self {
        let founders = genesis.committee();
        let (of, need) = (founders.members.len() as u32, founders.quorum() as u32);
        let first = CertificateView { height: 0, signed: 0, of, need };
        Self {
            v: 1,
            chain_id: genesis.chain_id().to_string(),
            height: desk.height,
            time_ms: desk.time_ms,
            time: super::time(desk.time_ms),
            epoch: engine.epoch,
            committee: engine.members.into_iter().map(Member::from).collect(),
            certificate: engine.certificate.unwrap_or(first).into(),
            settled_height: desk.settled_height,
            pool_commands: desk.pool_commands as u64,
            ready: desk.ready,
            version: version.to_owned(),
        }
    }
}

impl From<MemberView> for Member {
    fn from(view: MemberView) -> Self {
        let state = match view.state {
            MemberState::Live => "live",
            MemberState::Behind => "behind",
            MemberState::Unreachable => "unreachable",
            MemberState::Unknown => "unknown",
        };
        Self { organisation: view.organisation, member: view.member, state, height: view.height }
    }
}

impl From<CertificateView> for Certificate {
    fn from(view: CertificateView) -> Self {
        let CertificateView { height, signed, of, need } = view;
        Self { height, signed, of, need }
    }
}
