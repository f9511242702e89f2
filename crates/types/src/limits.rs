//! Every agreed limit, its unit and its reason. Over a limit the answer is a refusal, never a crash.

/// Bytes of one command as it stands in a block (kind and payload). Holds the largest etcd request (1.5 MiB) and its envelope.
pub const COMMAND_BYTES_MAX: u32 = 2 * 1024 * 1024;
/// Bytes of all commands of one block. A block must cross a 100 Mbit/s line well inside the certification time-out.
pub const BODY_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Actions (signed commands, or items of session batches) in one block. Bounds execution to about 100 ms on two slow cores.
pub const BODY_ACTIONS_MAX: u32 = 8_192;
/// Items of one session batch: a quarter of a block, so that four gateways share one fairly.
pub const SESSION_ITEMS_MAX: u32 = 2_048;
/// Work units one block may cost (D18). One unit is about one microsecond of execution on the reference machine.
pub const BODY_WORK_MAX: u64 = 250_000;
/// Bytes of one key. etcd has no limit of its own below the request; Kubernetes stays under 512.
pub const KEY_BYTES_MAX: usize = 4_096;
/// Bytes of one value: etcd's default request limit.
pub const VALUE_BYTES_MAX: usize = 1_536 * 1024;
/// Operations and compares of one transaction: etcd's `--max-txn-ops` default.
pub const TXN_OPS_MAX: usize = 128;
/// Keys one range deletion may remove; more is refused and split by the client.
pub const DELETE_KEYS_MAX: usize = 10_000;
/// Bytes of a name (organisation, space, role). DNS label length.
pub const NAME_BYTES_MAX: usize = 63;
/// Bytes of a repository name with its registry: distribution's 255 and a host of 253.
pub const REPO_BYTES_MAX: usize = 512;
/// Bytes of a tag: the distribution specification's grammar.
pub const TAG_BYTES_MAX: usize = 128;
/// Bytes of a free-text reason.
pub const REASON_BYTES_MAX: usize = 1_024;
/// Bytes of the identity a gateway claims for a session client.
pub const IDENTITY_BYTES_MAX: usize = 256;
/// Platforms of one image index.
pub const PLATFORMS_MAX: usize = 64;
/// Layers of one image. Docker's own limit is 127.
pub const LAYERS_MAX: usize = 256;
/// Attestation manifests listed by one release.
pub const ATTESTATIONS_MAX: usize = 128;
/// Accounts that one namespace may list.
pub const NAMESPACE_MEMBERS_MAX: usize = 256;
/// Releases that one revocation may touch.
pub const REVOKE_RELEASES_MAX: usize = 1_000;
/// Milliseconds a signed command may stay valid. It is also how long its replay key is remembered.
pub const COMMAND_VALID_MS_MAX: u64 = 10 * 60 * 1_000;
/// Session sequences remembered per gateway. A gateway never has more batches under way.
pub const SESSION_WINDOW: u64 = 1_024;
/// Members of a committee. Every pair of members holds a connection.
pub const COMMITTEE_MAX: usize = 64;
/// Heights of the shortest epoch: a change needs blocks to be decided in, and a header after it to be named in.
pub const EPOCH_BLOCKS_MIN: u64 = 4;
/// Milliseconds of block time between two requests to end an epoch at full speed: its empty blocks cost every member disk, and
/// whoever lost votes needs it once.
pub const HURRY_MS_MIN: u64 = 60_000;
/// Members a committee does not go below once it has them: the fewest that bear one faulty member.
pub const COMMITTEE_MIN: usize = 4;
/// Motions one organisation may have open: enough for every kind of change, and few enough to read.
pub const MOTIONS_OPEN_MAX: usize = 8;
/// Milliseconds a motion may stay open: a quarter of a year is longer than any board sleeps.
pub const MOTION_MS_MAX: u64 = 92 * 24 * 60 * 60 * 1_000;
/// Gateways a new organisation may begin with; more it registers itself.
pub const GATEWAYS_ADD_MAX: usize = 16;
/// Bytes of a member's address: a DNS name of 253, or an address in brackets, and a port.
pub const ADDRESS_BYTES_MAX: usize = 253 + 6;
/// Blocks whose digests the state remembers, so that a node can show it follows the chain: some minutes at the four
/// blocks per second of a busy chain, in 32 kB.
pub const READY_BLOCKS_MAX: u64 = 1_024;
/// Epochs a removed member is asked to serve history for: time for members that were away to catch up with its last one.
pub const LEAVING_EPOCHS: u64 = 3;

const _: () = assert!(VALUE_BYTES_MAX + KEY_BYTES_MAX < COMMAND_BYTES_MAX as usize);
const _: () = assert!(COMMAND_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(SESSION_ITEMS_MAX < BODY_ACTIONS_MAX);
