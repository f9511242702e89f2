//! Finalised blocks and certificates on disk, and their replay into the application at start (docs/adr/0003).

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use commonware_consensus::marshal::store::{Blocks as _, Certificates as _};
use commonware_runtime::buffer::paged::CacheRef;
use commonware_storage::archive::{Identifier, immutable};
use commonware_utils::NZU64;
use hanse_types::limits;

use crate::{
    EngineBlock,
    base::Anchor,
    config::{Config, nz},
    engine::{Digest, Finalization, Runtime},
    past::Known,
    schemes::Schemes,
    spine::Spine,
    start::StartError,
};

/// Bytes of a cached page: with its checksum it fills one 4 KiB page of the disk.
const PAGE: NonZeroU16 = NonZeroU16::new(4096 - 12).expect("not zero");
/// Entries of a new hash table on disk; it doubles as the chain grows.
const TABLE_INITIAL: u32 = 4_096;
/// Heights per file of the index.
const HEIGHTS_PER_FILE: u64 = 65_536;
/// Bytes after which a new file of values is begun.
const VALUE_FILE: u64 = 256 * 1024 * 1024;
/// How often a long replay says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

pub(crate) type Certificates<E> = immutable::Archive<E, Digest, Finalization>;
pub(crate) type Blocks<E> = immutable::Archive<E, Digest, Arc<EngineBlock>>;

fn page_cache(config: &Config) -> CacheRef {
    CacheRef::new(PAGE, nz(config.sizes.cache_pages))
}

fn settings<C>(
    config: &Config,
    name: &str,
    cache: &CacheRef,
    codec_config: C,
) -> immutable::Config<C> {
    let part = |part: &str| format!("{}-{name}-{part}", config.partition_prefix);
    let buffer = nz(config.sizes.write_buffer);
    immutable::Config {
        metadata_partition: part("metadata"),
        freezer_table_partition: part("table"),
        freezer_table_initial_size: TABLE_INITIAL,
        freezer_table_resize_frequency: 4,
        freezer_table_resize_chunk_size: TABLE_INITIAL / 4,
        freezer_key_partition: part("keys"),
        freezer_key_page_cache: cache.clone(),
        freezer_value_partition: part("values"),
        freezer_value_target_size: VALUE_FILE,
        // Commands are signatures and short values: nothing to gain, and a hostile block could grow on the way out.
        freezer_value_compression: None,
        ordinal_partition: part("heights"),
        items_per_section: NZU64!(HEIGHTS_PER_FILE),
        freezer_key_write_buffer: buffer,
        freezer_value_write_buffer: buffer,
        ordinal_write_buffer: buffer,
        replay_buffer: nz(config.sizes.replay_buffer),
        codec_config,
    }
}

/// A member's archives, opened once: what [`crate::start`] replays and goes on with.
pub struct Stored<E: Runtime> {
    pub(crate) cache: CacheRef,
    pub(crate) certificates: Certificates<E>,
    pub(crate) blocks: Blocks<E>,
    /// Where the application begins, if not at genesis.
    pub(crate) base: Option<Anchor>,
}

impl<E: Runtime> Stored<E> {
    /// Opens the archives that `config` names, or makes empty ones, for an application that begins at genesis.
    ///
    /// # Errors
    /// [`StartError::Config`] if the configuration contradicts itself, [`StartError::Certificates`] and
    /// [`StartError::Blocks`] if an archive cannot be opened.
    pub async fn open(context: E, config: &Config) -> Result<Self, StartError> {
        config.check()?;
        let cache = page_cache(config);
        let certificates = immutable::Archive::init(
            context.child("certificates"),
            settings(config, "certificates", &cache, limits::COMMITTEE_MAX),
        );
        let certificates = certificates.await.map_err(StartError::Certificates)?;
        let blocks = settings(config, "blocks", &cache, ());
        let blocks = immutable::Archive::init(context.child("blocks"), blocks);
        let blocks = blocks.await.map_err(StartError::Blocks)?;
        Ok(Self { cache, certificates, blocks, base: None })
    }

    /// The height whose outcome the application begins with: 0 for genesis.
    pub(crate) fn begins(&self) -> u64 {
        self.base.as_ref().map_or(0, Anchor::height)
    }

    /// The height up to which [`crate::start`] will replay; what is kept elsewhere must not be ahead of it.
    pub fn height(&self) -> u64 {
        let first = commonware_consensus::types::Height::new(self.begins() + 1);
        self.blocks.next_gap(first).0.map_or(self.begins(), |height| height.get())
    }

    /// Notes who signed the certificates of the epoch that `schemes` has come to.
    pub(crate) async fn signers(&self, schemes: &Schemes, known: &Known) -> Result<(), StartError> {
        let epoch = schemes.newest().epoch;
        let first = epoch.checked_sub(1).map_or(1, |before| schemes.last(before).get() + 1);
        // What lies before the application's beginning may be stored, or not.
        for height in first..=self.height() {
            let found = self.certificates.get(Identifier::Index(height)).await;
            if let Some(finalization) = found.map_err(StartError::Certificates)? {
                known.finalized(&finalization);
            }
        }
        Ok(())
    }

    /// Hands every stored block after the application's beginning to it, in order, up to the first gap, one at a time.
    pub(crate) async fn replay(&self, context: &E, spine: &Spine) -> Result<(), StartError> {
        let (Self { certificates, blocks, .. }, last) = (self, self.height());
        let mut said = context.current();
        for height in self.begins() + 1..=last {
            let block = blocks.get(Identifier::Index(height)).await.map_err(StartError::Blocks)?;
            let block = block.ok_or(StartError::Missing(height))?;
            let finalization = certificates
                .get(Identifier::Index(height))
                .await
                .map_err(StartError::Certificates)?;
            if !spine.replay(&block, finalization.as_ref()) {
                return Err(StartError::Broken(height));
            }
            let now = context.current();
            if now.duration_since(said).is_ok_and(|since| since >= PROGRESS) {
                said = now;
                tracing::info!(height, of = last, "replaying stored blocks");
            }
        }
        if last > self.begins() {
            tracing::info!(height = last, "replayed stored blocks");
        }
        Ok(())
    }
}
