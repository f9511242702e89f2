//! The records of the log: each one change of the blob table, replayed in order.

use commonware_runtime::BlobVersion;

/// One change. Integers are little-endian, names carry a `u16` length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// A blob is created, empty.
    Open { id: u64, version: BlobVersion, partition: &'a str, name: &'a [u8] },
    /// Bytes at an offset; extends the blob with zeros up to it.
    Write { id: u64, offset: u64, data: &'a [u8] },
    /// A new length; growth is zeros.
    Resize { id: u64, len: u64 },
    /// A blob loses its name.
    Remove { id: u64 },
    /// A partition exists, possibly without blobs.
    Partition { partition: &'a str },
    /// A partition and all its blobs lose their names.
    Drop { partition: &'a str },
    /// A checkpoint starts; ids below `next_id` were given away.
    Start { next_id: u64 },
    /// A blob as the checkpoint found it. With `base` its first `len` bytes are in its file,
    /// else they are zeros until write records fill them.
    Image {
        id: u64,
        version: BlobVersion,
        len: u64,
        base: bool,
        partition: &'a str,
        name: &'a [u8],
    },
    /// A run of the node begins. It seals the last batch of the run before.
    Run,
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("names are bounded before they are recorded");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

impl<'a> Record<'a> {
    /// Appends the record's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Open { id, version, partition, name } => {
                out.push(1);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&version.get().to_le_bytes());
                put_bytes(out, partition.as_bytes());
                put_bytes(out, name);
            }
            Self::Write { id, offset, data } => {
                out.push(2);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
                let len = u32::try_from(data.len()).expect("writes are cut at RECORD_BYTES");
                out.extend_from_slice(&len.to_le_bytes());
                out.extend_from_slice(data);
            }
            Self::Resize { id, len } => {
                out.push(3);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&len.to_le_bytes());
            }
            Self::Remove { id } => {
                out.push(4);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Self::Partition { partition } => {
                out.push(5);
                put_bytes(out, partition.as_bytes());
            }
            Self::Drop { partition } => {
                out.push(6);
                put_bytes(out, partition.as_bytes());
            }
            Self::Start { next_id } => {
                out.push(7);
                out.extend_from_slice(&next_id.to_le_bytes());
            }
            Self::Image { id, version, len, base, partition, name } => {
                out.push(8);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&version.get().to_le_bytes());
                out.extend_from_slice(&len.to_le_bytes());
                out.push(u8::from(base));
                put_bytes(out, partition.as_bytes());
                put_bytes(out, name);
            }
            Self::Run => out.push(9),
        }
    }

    /// Reads one record from the front of `input` and moves it on. `Err` names what is wrong.
    pub(crate) fn decode(input: &mut &'a [u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(input);
        let record = match reader.array::<1>()?[0] {
            1 => Self::Open {
                id: reader.u64()?,
                version: reader.version()?,
                partition: reader.text()?,
                name: reader.bytes()?,
            },
            2 => {
                let (id, offset) = (reader.u64()?, reader.u64()?);
                let len = u32::from_le_bytes(reader.array()?) as usize;
                Self::Write { id, offset, data: reader.take(len)? }
            }
            3 => Self::Resize { id: reader.u64()?, len: reader.u64()? },
            4 => Self::Remove { id: reader.u64()? },
            5 => Self::Partition { partition: reader.text()? },
            6 => Self::Drop { partition: reader.text()? },
            7 => Self::Start { next_id: reader.u64()? },
            8 => Self::Image {
                id: reader.u64()?,
                version: reader.version()?,
                len: reader.u64()?,
                base: reader.array::<1>()?[0] == 1,
                partition: reader.text()?,
                name: reader.bytes()?,
            },
            9 => Self::Run,
            _ => return Err("unknown kind of record"),
        };
        *input = reader.0;
        Ok(record)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (head, tail) = self.0.split_at_checked(len).ok_or("record is cut short")?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn version(&mut self) -> Result<BlobVersion, &'static str> {
        Ok(BlobVersion::new(u16::from_le_bytes(self.array()?)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = u16::from_le_bytes(self.array()?);
        self.take(usize::from(len))
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "partition name is not text")
    }
}
