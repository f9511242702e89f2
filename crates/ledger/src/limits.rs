//! Limits of one member's desk: they may differ per member and never decide what is valid.

/// Commands waiting in the pool: eight full session batches per gateway of four, in single signed commands.
pub const POOL_COMMANDS_MAX: usize = 65_536;
/// Bytes waiting in the pool: sixteen full blocks.
pub const POOL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Share of the pool one organisation may fill, as a divisor: a quarter each, so one cannot starve the others (DESIGN D18).
pub const POOL_SHARE: usize = 4;
/// Session actions a gateway may have waiting before it pushes back.
pub const SESSION_WAITING_MAX: usize = 65_536;
/// Session batches of one gateway under way at once: one in the block being voted, one in the next, one arriving.
pub const SESSION_BATCHES_UNDER_WAY: usize = 3;
/// Bytes of actions one session batch may carry, so that four gateways share a block.
pub const SESSION_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Work units one session batch may cost: a quarter of a block.
pub const SESSION_BATCH_WORK_MAX: u64 = hanse_types::limits::BODY_WORK_MAX / 4;
/// Blocks kept whole in memory for watchers and proofs. Older ones are read from the archive.
pub const RECENT_BLOCKS_MAX: usize = 16_384;
/// Actions of recent blocks kept in memory: about 600 bytes each.
pub const RECENT_ACTIONS_MAX: usize = 200_000;
/// Proof requests waiting for the tree.
pub const PROOFS_WAITING_MAX: usize = 1_024;
/// Keys one proof may speak about.
pub const PROOF_KEYS_MAX: usize = 1_000;
/// Headers one proof may carry between its claim and the certificate.
pub const PROOF_HEADERS_MAX: usize = 256;
/// Blocks that may follow the one whose state was written out, up to a certified one: the header that carries its root, and
/// [`PROOF_HEADERS_MAX`] to the next certificate; few in practice.
pub const SNAPSHOT_BLOCKS_MAX: usize = 2 * PROOF_HEADERS_MAX;
/// Milliseconds a client is told to wait when the pool is full: about two blocks under load.
pub const RETRY_AFTER_MS: u64 = 50;
/// Microseconds a session batch waits at most for clients that were just answered to come back, and signed commands for
/// others to be sent with.
pub const GATHER_US: u64 = 500;
/// Bytes of signed commands sent together.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Blocks after which a session batch that is in none of them is sent to all members.
pub const SESSION_RESEND_BLOCKS: u64 = 3;
/// Actions of a block up to which the next one is proposed as soon as anything waits: so few cost less than the wait.
pub const SMALL_BLOCK_ACTIONS: usize = 8;
