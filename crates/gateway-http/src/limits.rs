//! Limits of this door: they may differ per member and never decide what is valid.

use std::time::Duration;

use hanse_types::limits::{COMMAND_BYTES_MAX, VALUE_BYTES_MAX};

/// Bytes of a command's body: the largest command and its kind and length.
pub const COMMAND_BODY_BYTES_MAX: usize = COMMAND_BYTES_MAX as usize + 16;
/// Bytes of a JSON body: the largest command in base64 (4 for 3), and names and braces around it.
pub const JSON_BODY_BYTES_MAX: usize = COMMAND_BYTES_MAX as usize / 3 * 4 + 64 * 1024;
/// Bytes of all request bodies being received or handled at once; over it new ones are shed.
pub const BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes by which a body's share of that room grows while it arrives.
pub const ROOM_STEP_BYTES: usize = 4 * 1024;
/// Bytes of a query string: a key of 4 KiB twice, each in percent-encoded base64, with room.
pub const QUERY_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a request's head (request line and headers): twice the query.
pub const HEAD_BYTES_MAX: usize = 2 * QUERY_BYTES_MAX;
/// Header fields of one request. Browsers send about 20.
pub const HEADERS_MAX: usize = 100;
/// Connections open at once; over it a new one is answered 503 and closed.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Requests being handled or their answers being sent at once; over it new ones are shed with 503.
pub const REQUESTS_MAX: usize = 2_048;
/// Event streams open at once. Each holds at most one block (4 MiB) and waits on the ledger's signal.
pub const WATCHERS_MAX: usize = 256;
/// Items one page of a list holds at most, and by default.
pub const LIST_ITEMS_MAX: usize = 1_000;
/// State keys one request looks at: a filter that matches little must not walk the whole state (about 10 ms).
pub const SCAN_KEYS_MAX: usize = 100_000;
/// Bytes of values one range answer carries; one value more may be begun, so a single value always fits.
pub const RANGE_BYTES_MAX: usize = 1024 * 1024;
/// Time a client has to send a request's head; also how long a kept-alive connection may idle.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Time a client has to send a whole body: 2 MiB at 1 Mbit/s.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(20);
/// Time a read or a proof may take. Proofs wait for the state root of the newest block, which takes a heartbeat or two.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Time a client waits for an outcome when it does not say.
pub const OUTCOME_TIME_DEFAULT: Duration = Duration::from_secs(10);
/// Time a client may ask to wait for an outcome.
pub const OUTCOME_TIME_MAX: Duration = Duration::from_secs(60);
/// Time a connection may refuse to take a single byte of an answer before it is closed.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(60);
/// Time open requests have to finish once the member stops. The member itself has 25 s (`hanse up`).
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// Time between two comments on a quiet event stream, so that proxies keep it open.
pub const HEARTBEAT_TIME: Duration = Duration::from_secs(15);

const _: () = assert!(QUERY_BYTES_MAX < HEAD_BYTES_MAX);
const _: () = assert!(JSON_BODY_BYTES_MAX < BODIES_BYTES_MAX);
const _: () = assert!(VALUE_BYTES_MAX / 3 * 4 < JSON_BODY_BYTES_MAX);
const _: () = assert!(OUTCOME_TIME_DEFAULT.as_millis() <= OUTCOME_TIME_MAX.as_millis());

/// The limits that one machine, or a test, may set differently. Defaults are the constants of this module.
#[derive(Clone, Debug)]
pub struct Limits {
    /// See [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// See [`REQUESTS_MAX`].
    pub requests: usize,
    /// See [`WATCHERS_MAX`].
    pub watchers: usize,
    /// See [`BODIES_BYTES_MAX`].
    pub bodies_bytes: usize,
    /// See [`HEAD_TIME_MAX`].
    pub head_time: Duration,
    /// See [`BODY_TIME_MAX`].
    pub body_time: Duration,
    /// See [`ANSWER_TIME_MAX`].
    pub answer_time: Duration,
    /// See [`STALL_TIME_MAX`].
    pub stall_time: Duration,
    /// See [`DRAIN_TIME_MAX`].
    pub drain_time: Duration,
    /// See [`HEARTBEAT_TIME`].
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            requests: REQUESTS_MAX,
            watchers: WATCHERS_MAX,
            bodies_bytes: BODIES_BYTES_MAX,
            head_time: HEAD_TIME_MAX,
            body_time: BODY_TIME_MAX,
            answer_time: ANSWER_TIME_MAX,
            stall_time: STALL_TIME_MAX,
            drain_time: DRAIN_TIME_MAX,
            heartbeat: HEARTBEAT_TIME,
        }
    }
}
