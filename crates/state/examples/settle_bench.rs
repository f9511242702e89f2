//! What a put costs in the layouts the state could have: `cargo run --release -p hanse-state --example settle_bench [KEYS…]`.
//!
//! Each layout is filled with KEYS random slots, then overwrites random ones in batches; the table
//! gives processor time per put (all threads), which is what competes with everything else a member
//! does. docs/adr/0004-state-layout.md is written from it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use commonware_cryptography::{Sha256, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::{CacheRef, page_size};
use commonware_runtime::{BLOB_PAGE_SIZE, Runner as _, Supervisor as _, tokio};
use commonware_storage::journal::contiguous::fixed::Config as LogConfig;
use commonware_storage::merkle::full::Config as MerkleConfig;
use commonware_storage::mmr::Family;
use commonware_storage::qmdb::floor::Proportional;
use commonware_storage::qmdb::{any, current};
use commonware_storage::translator::EightCap;
use commonware_utils::{NZU64, NZUsize};
use hanse_crypto::{Digest, hash};
use hanse_proof::{StateBranch, TrustFile, verify};
use hanse_state::{Settings, StateTree};

type Context = tokio::Context;
type Key = sha256::Digest;
type Any = any::unordered::fixed::Db<Family, Context, Key, Key, Sha256, EightCap, Sequential>;
type Ordered =
    current::ordered::fixed::Db<Family, Context, Key, Key, Sha256, EightCap, 32, Sequential>;

const BATCHES: [(usize, usize); 3] = [(10, 200), (500, 40), (2_000, 15)];
const FILL_BATCH: u64 = 2_000;

fn main() {
    let mut sizes: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
    }
    let mut out = std::io::stdout().lock();
    for keys in sizes {
        let caches: &[usize] = if keys > 500_000 { &[16, 320] } else { &[16] };
        for cache in caches {
            for layout in ["any", "ordered", "state"] {
                let row = in_a_runtime(layout, keys, cache << 20);
                writeln!(out, "{row}").expect("stdout is open");
            }
        }
    }
    writeln!(out, "{}", verification()).expect("stdout is open");
}

fn in_a_runtime(layout: &'static str, keys: u64, cache: usize) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = tokio::Config::default()
        .with_storage_directory(folder.path().to_path_buf())
        .with_worker_threads(1);
    tokio::Runner::new(config).start(|context| async move {
        match layout {
            "any" => bench_any(context, keys, cache).await,
            "ordered" => bench_ordered(context, keys, cache).await,
            _ => bench_state(context, keys, cache).await,
        }
    })
}

fn slot(n: u64) -> Digest {
    hash("bench/slot", &[&n.to_le_bytes()])
}

fn value(n: u64, round: u64) -> Digest {
    hash("bench/record", &[&n.to_le_bytes(), &round.to_le_bytes()])
}

fn theirs(digest: Digest) -> Key {
    sha256::Digest(digest.0)
}

/// A cheap generator, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Processor time of this process, user and kernel, all threads; ticks of 10 ms.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc/self/stat");
    let (_, rest) = stat.rsplit_once(')').expect("the name is in parentheses");
    let field = |n: usize| rest.split_whitespace().nth(n).and_then(|f| f.parse::<u64>().ok());
    Duration::from_millis(10 * (field(11).unwrap_or(0) + field(12).unwrap_or(0)))
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc/self/status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Fills and measures one layout; `$apply` takes the map and a list of writes, and gives the map.
macro_rules! measure {
    ($name:expr, $map:ident, $keys:expr, $cache:expr, $apply:expr) => {{
        let apply = $apply;
        let mut map = $map;
        for start in (0..$keys).step_by(FILL_BATCH as usize) {
            let writes = (start..(start + FILL_BATCH).min($keys)).map(|n| (slot(n), value(n, 0)));
            map = apply(map, 1 + start / FILL_BATCH, writes.collect()).await;
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut height = $keys;
        let mut cells = Vec::new();
        for (size, rounds) in BATCHES {
            let (cpu, wall) = (processor(), Instant::now());
            let mut hashing = Duration::ZERO;
            for _ in 0..rounds {
                height += 1;
                let started = Instant::now();
                let writes: Vec<(Digest, Digest)> = (0..size)
                    .map(|_| random.below($keys))
                    .map(|n| (slot(n), value(n, height)))
                    .collect();
                hashing += started.elapsed();
                map = apply(map, height, writes).await;
            }
            let puts = (size * rounds) as f64;
            // Making the slots and values is the bench's own work.
            let cpu = (processor() - cpu).saturating_sub(hashing).as_secs_f64() * 1e6 / puts;
            let wall = (wall.elapsed() - hashing).as_secs_f64() * 1e3 / rounds as f64;
            cells.push(format!("{size}: {cpu:.1} us/put, {wall:.2} ms/batch"));
        }
        let (keys, cache) = ($keys, $cache >> 20);
        let line = cells.join(" | ");
        (
            map,
            format!(
                "{:8} {keys:>9} keys, cache {cache:>3} MiB | {line} | {} MB",
                $name,
                resident_mb()
            ),
        )
    }};
}

/// Both maps of the storage have the same methods, but no common trait outside its own tests.
macro_rules! put_all {
    ($map:ty) => {
        |map: $map, height: u64, writes: Vec<(Digest, Digest)>| async move {
            let mut batch = map.new_batch();
            for (slot, value) in writes {
                batch = batch.write(theirs(slot), Some(theirs(value)));
            }
            let mark = Some(theirs(value(height, height)));
            let batch = batch.merkleize(&map, mark, &mut Proportional).await.expect("merkleize");
            map.apply_batch(batch).await.expect("apply")
        }
    };
}

async fn bench_any(context: Context, keys: u64, cache: usize) -> String {
    let (merkle_config, journal_config) = files(cache);
    let config = any::FixedConfig {
        merkle_config,
        journal_config,
        translator: EightCap,
        init_cache: Some(NZUsize!(65_536)),
        init_buffer: NZUsize!(1 << 20),
        init_concurrency: (),
    };
    let map = Any::init(context.child("any"), config, None).await.expect("open");
    let (_, row) = measure!("any", map, keys, cache, put_all!(Any));
    row
}

async fn bench_ordered(context: Context, keys: u64, cache: usize) -> String {
    let (merkle_config, journal_config) = files(cache);
    let config = current::FixedConfig {
        merkle_config,
        journal_config,
        grafted_metadata_partition: "bits".into(),
        translator: EightCap,
        init_cache: Some(NZUsize!(65_536)),
        init_buffer: NZUsize!(1 << 20),
        init_concurrency: (),
    };
    let map = Ordered::init(context.child("ordered"), config, None).await.expect("open");
    let (_, row) = measure!("ordered", map, keys, cache, put_all!(Ordered));
    row
}

fn files(cache: usize) -> (MerkleConfig<Sequential>, LogConfig) {
    let page = page_size(BLOB_PAGE_SIZE);
    let pages = (cache / usize::from(page.get())).try_into().expect("a cache has pages");
    let page_cache = CacheRef::new(page, pages);
    let merkle = MerkleConfig {
        journal_partition: "nodes".into(),
        metadata_partition: "nodes-meta".into(),
        items_per_blob: NZU64!(524_288),
        write_buffer: NZUsize!(1 << 20),
        replay_buffer: NZUsize!(1 << 20),
        strategy: Sequential,
        page_cache: page_cache.clone(),
    };
    let log = LogConfig {
        partition: "log".into(),
        items_per_blob: NZU64!(262_144),
        page_cache,
        write_buffer: NZUsize!(1 << 20),
        replay_buffer: NZUsize!(1 << 20),
    };
    (merkle, log)
}

async fn bench_state(context: Context, keys: u64, cache: usize) -> String {
    let settings = Settings { cache_bytes: cache, ..Settings::default() };
    let open = StateTree::open(context.child("first"), "state", &settings).await;
    let (tree, _) = open.expect("open");
    let (mut tree, row) = measure!(
        "state",
        tree,
        keys,
        cache,
        |mut tree: StateTree<Context>, height, writes: Vec<(Digest, Digest)>| async move {
            let writes = writes.into_iter().map(|(slot, value)| (slot, Some(value))).collect();
            tree.settle(height, writes).await.expect("settle");
            tree
        }
    );
    let started = Instant::now();
    tree.persist().await.expect("persist");
    let persist = started.elapsed();
    let mut random = Random(7);
    let slots: Vec<Digest> = (0..200).map(|_| slot(random.below(keys))).collect();
    let started = Instant::now();
    let branches = tree.prove(&slots).await.expect("prove");
    let prove = started.elapsed() / 200;
    let mut records = Vec::new();
    for slot in &slots {
        records.push(tree.get(slot).await.expect("get").expect("present"));
    }
    let started = Instant::now();
    for ((slot, record), bytes) in slots.iter().zip(&records).zip(&branches) {
        let branch = StateBranch::decode(bytes).expect("a branch");
        assert_eq!(branch.root(slot, record), Some(tree.root()));
    }
    let check = started.elapsed() / 200;
    let bytes = branches.iter().map(Vec::len).sum::<usize>() / 200;
    drop(tree);
    let started = Instant::now();
    StateTree::open(context.child("second"), "state", &settings).await.expect("open again");
    let reopen = started.elapsed();
    format!(
        "{row}\n         persist {persist:?}, prove {prove:?}, check {check:?}, branch {bytes} bytes, reopen {reopen:?}"
    )
}

/// A whole proof, from the golden vectors.
fn verification() -> String {
    const PROOFS: [(&str, &[u8]); 4] = [
        ("receipt", include_bytes!("../../../fixtures/proof/good/receipt-5-1.hproof")),
        ("image of 4", include_bytes!("../../../fixtures/proof/good/image-lookups.hproof")),
        (
            "two hand-overs",
            include_bytes!("../../../fixtures/proof/good/epoch-2-by-handovers.hproof"),
        ),
        (
            "five hand-overs",
            include_bytes!("../../../fixtures/proof/good/five-changes-with-gaps.hproof"),
        ),
    ];
    let trust = include_str!("../../../fixtures/proof/trust/founders.json");
    let trust = TrustFile::parse(trust).expect("the vectors' trust root").root;
    let rows = PROOFS.map(|(name, bytes)| {
        let started = Instant::now();
        for _ in 0..1_000 {
            verify(bytes, &trust).expect("a good vector");
        }
        format!("{name} {:?} ({} bytes)", started.elapsed() / 1_000, bytes.len())
    });
    format!("verify   {}", rows.join(", "))
}
