//! A small consortium for tests: two organisations, their keys, and one world that blocks are executed on.

use std::sync::Arc;

use hanse_crypto::{SigningKey, Suite};
use hanse_types::{
    Action, COMMAND_DOMAIN, ChainParams, Command, Digest, Genesis, GenesisOrganisation,
    SESSION_DOMAIN, SessionBatch, SessionItem, SessionPayload, SignedCommand, SignedPayload,
    Threshold,
};

use crate::{BlockContext, Decoded, Executed, World, execute, genesis_world};

pub(crate) struct Kit {
    pub(crate) genesis: Genesis,
    pub(crate) world: World,
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    /// Whether the next blocks are boundaries.
    pub(crate) settles: bool,
    nonce: u64,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::Ed25519, [seed; 32])
}

/// Admin of `acme`.
pub(crate) fn acme() -> SigningKey {
    key(1)
}

/// Admin of `borealis`.
pub(crate) fn borealis() -> SigningKey {
    key(2)
}

/// Gateway of `acme`.
pub(crate) fn gateway() -> SigningKey {
    key(11)
}

pub(crate) fn genesis() -> Genesis {
    let organisation = |name: &str, admin: SigningKey, gateway: u8| GenesisOrganisation {
        name: name.to_owned(),
        admin: admin.public(),
        consensus: [gateway; 32],
        gateways: vec![key(gateway).public()],
    };
    Genesis {
        version: 1,
        name: "test".to_owned(),
        created_ms: 10_000_000,
        params: ChainParams {
            protocol_version: 1,
            heartbeat_ms: 2_000,
            leader_timeout_ms: 3_000,
            certification_timeout_ms: 4_000,
            clock_ahead_max_ms: 500,
            epoch_blocks: 1 << 40,
            spaces_per_organisation: 2,
            motion: Threshold::TWO_THIRDS,
            motion_high: Threshold::ALL,
        },
        organisations: vec![
            organisation("acme", acme(), 11),
            organisation("borealis", borealis(), 12),
        ],
    }
}

/// What stands for the digest of the header at `height`.
pub(crate) fn header_digest(height: u64) -> Digest {
    hanse_crypto::hash("test/header", &[&height.to_le_bytes()])
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with(genesis())
    }

    pub(crate) fn with(genesis: Genesis) -> Self {
        let (world, _) = genesis_world(&genesis);
        Self { genesis, world, height: 0, time_ms: 10_000_000, settles: false, nonce: 0 }
    }

    pub(crate) fn chain_id(&self) -> Digest {
        self.genesis.chain_id()
    }

    pub(crate) fn signed(&mut self, key: &SigningKey, action: Action) -> Command {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let payload = SignedPayload {
            chain_id: self.chain_id(),
            key: key.public(),
            nonce,
            valid_until_ms: self.time_ms + 60_000,
            action,
        };
        let signature = key.sign(COMMAND_DOMAIN, &hanse_types::encode(&payload));
        Command::signed(&SignedCommand { payload, signature })
    }

    pub(crate) fn session(&mut self, sequence: u64, space: &str, actions: Vec<Action>) -> Command {
        self.session_of(&gateway(), sequence, space, actions)
    }

    /// A batch of the gateway with this key.
    pub(crate) fn session_of(
        &self,
        key: &SigningKey,
        sequence: u64,
        space: &str,
        actions: Vec<Action>,
    ) -> Command {
        let items = actions
            .into_iter()
            .map(|action| SessionItem { identity: "tester".to_owned(), action })
            .collect();
        let payload = SessionPayload {
            chain_id: self.chain_id(),
            gateway: key.public(),
            sequence,
            space: space.to_owned(),
            items,
        };
        let signature = key.sign(SESSION_DOMAIN, &payload.digest().0);
        Command::session(&SessionBatch { payload, signature })
    }

    /// Executes one block and moves the world on.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Executed {
        self.height += 1;
        self.time_ms += 10;
        let executed = self.run_on(&self.world, commands);
        self.world = executed.world.clone();
        executed
    }

    /// Executes the newest block on `parent`, and leaves the kit's own world as it is.
    pub(crate) fn run_on(&self, parent: &World, commands: &[Command]) -> Executed {
        let context = BlockContext {
            height: self.height,
            time_ms: self.time_ms,
            chain_id: self.chain_id(),
            parent: header_digest(self.height - 1),
            settles: self.settles,
            params: &self.genesis.params,
        };
        execute(parent, &context, &decode(commands))
    }

    /// Runs one signed action and returns its receipt's status.
    pub(crate) fn act(&mut self, key: &SigningKey, action: Action) -> hanse_types::Status {
        let command = self.signed(key, action);
        self.run(&[command]).applied[0].receipt.status
    }
}

pub(crate) fn decode(commands: &[Command]) -> Vec<Arc<Decoded>> {
    let read = |c| Arc::new(Decoded::read(c).expect("test commands are well-formed"));
    commands.iter().map(read).collect()
}
