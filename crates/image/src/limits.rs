//! Every bound of this crate, with its unit and the reason for its size.

use std::time::Duration;

/// Bytes of one manifest, index or image configuration. The distribution spec ("Pushing Manifests") asks registries to take
/// at least 4 MiB, so nothing larger can be relied on anywhere.
pub const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// Nesting of JSON values. Real documents stay below 10; deeper ones only serve to exhaust a stack.
pub const MAX_JSON_DEPTH: usize = 32;

/// JSON values in one document. Bounds the memory of a parsed document (4 MiB of `0,` would otherwise grow sixteenfold).
pub const MAX_JSON_VALUES: usize = 200_000;

/// Layers of one manifest. Engines refuse images beyond 127 layers; artifacts use more.
pub const MAX_LAYERS: usize = 1024;

/// Children of one index, and manifests of one image in all. The largest public indexes have about 60.
pub const MAX_CHILDREN: usize = 512;

/// Layers over all platforms of one image; keeps a description below 16 MiB of memory.
pub const MAX_TOTAL_LAYERS: usize = 16 * 1024;

/// Manifests and indexes of one image together, bytes. Their annotations are kept in memory while the image is checked.
pub const MAX_TOTAL_DOCUMENT_BYTES: u64 = 32 * 1024 * 1024;

/// How deep an index may name further indexes. Nobody nests more than once; the digest chain makes real cycles impossible.
pub const MAX_INDEX_DEPTH: usize = 3;

/// Size of one blob, bytes (1 TiB). Keeps every sum of sizes far from 2^64.
pub const MAX_BLOB_BYTES: u64 = 1 << 40;

/// Length of a media type, bytes (RFC 6838 section 4.2 allows 127 on each side of the slash).
pub const MAX_MEDIA_TYPE_BYTES: usize = 255;

/// Entries of an image archive: layers, configurations and directories of the largest image, with room.
pub const MAX_ARCHIVE_ENTRIES: usize = 64 * 1024;

/// Bytes of one extended header (PAX or GNU long name) in an archive; names of blobs need less than 200.
pub const MAX_TAR_EXTENSION_BYTES: u64 = 64 * 1024;

/// JSON documents kept in memory while an archive streams past, bytes in all.
pub const MAX_KEPT_BYTES: usize = 48 * 1024 * 1024;

/// A peer that does not deliver [`MIN_PROGRESS_BYTES`] in this time is given up.
pub const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// What counts as progress within [`IDLE_LIMIT`], bytes; less is a peer that dribbles. An answer that ends in time may be shorter.
pub const MIN_PROGRESS_BYTES: u64 = 16 * 1024;

/// How long an engine that still answers pings may prepare an export or digest an import: it copies whole layers first.
pub const ENGINE_PREPARE_LIMIT: Duration = Duration::from_secs(120);

/// Redirects followed for one request; registries need one, content networks two.
pub const MAX_REDIRECTS: usize = 5;

/// Bytes of an error text, token answer or engine answer that are read at all.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Tokens and challenge parameters longer than this are refused, bytes. Registries issue up to about 12 KiB.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Read buffer of one hash worker, bytes: large enough that system calls cost nothing, small enough for the cache.
pub const READ_BUFFER_BYTES: usize = 1024 * 1024;

/// Blobs hashed at once from files, and from a network (bounded by latency, not by cores).
pub const MAX_FILE_WORKERS: usize = 16;
/// Blobs fetched at once from one peer.
pub const NETWORK_WORKERS: usize = 6;

/// Layers decompressed at once; with [`ZSTD_WINDOW_LOG_MAX`] this bounds decompression to 128 MiB.
pub const MAX_UNPACKERS: usize = 4;

/// Largest zstd window accepted, as a power of two (32 MiB; RFC 8878 section 3.1.1.1.2 recommends to support 8 MiB).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 25;

/// Unpacked bytes of all layers of one image unless the caller says otherwise (64 GiB).
pub const DEFAULT_MAX_UNPACKED: u64 = 64 << 30;

/// Chunk of an upload to a registry that refuses one long request, bytes.
pub const UPLOAD_CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// Characters of foreign text that are shown.
pub const MAX_SHOWN_CHARS: usize = 512;
