//! Height 0: what the founders agreed on, as state and as a block.

use hanse_crypto::merkle;
use hanse_types::{
    Account, AccountState, Block, Body, Committee, ConsensusKeyUse, Digest, Gateway, Genesis,
    Header, Organisation, Place, Role, Seat, Seats, Space, StateKey, encode,
};

use crate::{Dirty, Key, World, world::At};

/// The block at height 0. Its state root is carried by a later header, as every block's.
pub fn genesis_block(genesis: &Genesis) -> Block {
    let committee = genesis.committee();
    let next_committee = Committee { epoch: 1, ..committee.clone() }.digest();
    let body = Body::default();
    let header = Header {
        version: 1,
        protocol: genesis.params.protocol_version,
        chain_id: genesis.chain_id(),
        height: 0,
        place: Place { epoch: 0, view: 0, leader: [0; 32], parent_view: 0 },
        parent: Digest([0; 32]),
        timestamp_ms: genesis.created_ms,
        body_root: body.root(),
        receipt_root: merkle::root(&[]),
        event_root: merkle::root(&[]),
        settled_height: 0,
        state_root: Digest([0; 32]),
        state_version: 1,
        settles: true,
        history_root: merkle::root(&[]),
        committee: committee.digest(),
        next_committee,
    };
    Block { header, body }
}

/// The state at height 0 and the leaves it consists of: each founder with its admin account, gateways, a space of its name
/// and a seat.
pub fn genesis_world(genesis: &Genesis) -> (World, Dirty) {
    let mut world = World::default();
    let mut dirty = Dirty::default();
    let mut put = |key: StateKey<'_>, value: Vec<u8>| {
        let at = At { revision: 1, height: 0, index: 0 };
        world.put(&Key::from(key.encode()), value.into(), at, &mut dirty);
    };
    put(StateKey::First, Vec::new());
    for founder in &genesis.organisations {
        let name = founder.name.clone();
        let organisation = Organisation { name: name.clone(), spaces: 1 };
        put(StateKey::Organisation(&name), encode(&organisation));
        let account = Account {
            key: founder.admin,
            organisation: name.clone(),
            roles: vec![Role::Admin],
            height: 0,
            state: AccountState::Active,
        };
        put(StateKey::Account(founder.admin.id()), encode(&account));
        for key in &founder.gateways {
            let gateway = Gateway { key: *key, organisation: name.clone(), active: true };
            put(StateKey::Gateway(key.id()), encode(&gateway));
        }
        let space = Space { name: name.clone(), organisation: name.clone(), grants: Vec::new() };
        put(StateKey::Space(&name), encode(&space));
        let first = ConsensusKeyUse { organisation: name, height: 0 };
        put(StateKey::ConsensusKey(founder.consensus), encode(&first));
    }
    let seat = |member: &hanse_types::CommitteeMember| Seat {
        consensus: member.consensus,
        organisation: member.organisation.clone(),
        address: String::new(),
        since_epoch: 0,
    };
    let members = genesis.committee().members.iter().map(seat).collect();
    put(StateKey::Seats, encode(&Seats { members, ..Seats::default() }));
    (world, dirty)
}
