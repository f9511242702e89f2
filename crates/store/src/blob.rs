//! A blob on the log.

use crate::{
    checkpoint::file, image::Piece, record::Record, shared::Shared, table::MAX_BLOB_BYTES,
};
use commonware_runtime::{
    Blob, BufMut as _, Error, Handle, IoBufMut, IoBufs, IoBufsMut, ReadOptions, Storage,
    WriteOptions,
};
use std::sync::Arc;

/// Handle of a blob whose changes are records of the log.
pub struct LogBlob<E: Storage> {
    shared: Arc<Shared<E>>,
    id: u64,
}

impl<E: Storage> LogBlob<E> {
    pub(crate) const fn new(shared: Arc<Shared<E>>, id: u64) -> Self {
        Self { shared, id }
    }

    async fn bytes(&self, offset: u64, len: usize, options: ReadOptions) -> Result<Vec<u8>, Error> {
        let end = offset.checked_add(len as u64).ok_or(Error::OffsetOverflow)?;
        let pieces = self
            .shared
            .on(|state| {
                let entry = state.table.get(self.id)?;
                (end <= entry.image.len()).then(|| entry.image.pieces(offset, len))
            })
            .await?
            .ok_or(Error::BlobInsufficientLength)?;
        let mut out = Vec::with_capacity(len);
        for piece in pieces {
            match piece {
                Piece::Data(data) => out.extend_from_slice(&data),
                Piece::Zeros(zeros) => out.resize(out.len() + zeros, 0),
                Piece::Base { offset, len } => {
                    let file = file(&self.shared, self.id).await?;
                    // O_DIRECT reads of archives cost more than the page cache (notes: engine 9.3).
                    let options = options.without(ReadOptions::DONT_CACHE);
                    let read = file.read_at(offset, len, options).await?;
                    out.extend_from_slice(read.coalesce().as_ref());
                }
            }
        }
        Ok(out)
    }
}

impl<E: Storage> Drop for LogBlob<E> {
    fn drop(&mut self) {
        self.shared.with(|state| state.table.closed(self.id));
    }
}

impl<E: Storage> Blob for LogBlob<E> {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        let mut bufs = bufs.into();
        assert!(len <= bufs.capacity(), "a read of {len} bytes exceeds the buffers' capacity");
        let data = self.bytes(offset, len, options).await?;
        if bufs.len() == len {
            bufs.copy_from_slice(&data);
            return Ok(bufs);
        }
        match bufs.try_into_single() {
            Ok(mut buf) => {
                buf.clear();
                buf.put_slice(&data);
                Ok(buf.into())
            }
            // Several partly filled chunks cannot be set to a length from here.
            Err(_) => Ok(IoBufMut::from(data).into()),
        }
    }

    async fn read_at(
        &self,
        offset: u64,
        len: usize,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        Ok(IoBufMut::from(self.bytes(offset, len, options).await?).into())
    }

    async fn write_at(
        &self,
        offset: u64,
        bufs: impl Into<IoBufs> + Send,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let data = bufs.into().coalesce();
        let data: &[u8] = data.as_ref();
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= MAX_BLOB_BYTES);
        end.ok_or(Error::OffsetOverflow)?;
        if data.is_empty() {
            return Ok(());
        }
        self.shared.write(self.id, offset, data).await?;
        if options.contains(WriteOptions::SYNC) {
            self.sync().await?;
        }
        Ok(())
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        if len > MAX_BLOB_BYTES {
            return Err(Error::OffsetOverflow);
        }
        self.shared.append(&[Record::Resize { id: self.id, len }]).await?;
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        let point = self.shared.sync_point(self.id);
        self.shared.flushed(point).await
    }

    async fn start_sync(&self) -> Handle<()> {
        let point = self.shared.sync_point(self.id);
        self.shared.want(point);
        let shared = self.shared.clone();
        Handle::from_future(async move { shared.flushed(point).await })
    }
}
