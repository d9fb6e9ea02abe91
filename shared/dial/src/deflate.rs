//! COMPRESS=DEFLATE over any [`wire::Stream`], RFC 4978.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use wire::{Bytes, Error, Stream};

/// Most inflated octets one read hands out, so that a small stream of zeros cannot fill memory.
const READ_MAX: usize = 256 * 1024;
/// Octets that are deflated into one write.
const WRITE_BATCH: usize = 256 * 1024;
/// What deflate may add: five octets a stored block of 16 KiB, the flush, and some air.
const WRITE_SLACK: usize = 256;

/// The compressed stream.
pub struct Deflate<S> {
    stream: S,
    compress: Compress,
    decompress: Decompress,
    /// Compressed and not yet inflated.
    pending: Bytes,
    /// The previous read was cut short by [`READ_MAX`]: the inflater may hold more.
    more_inside: bool,
    ended: bool,
}

impl<S: Stream> Deflate<S> {
    /// Wraps `stream` from the octet after the server's OK on. `received` is what was read of it
    /// already, which is compressed.
    pub fn new(stream: S, received: Bytes) -> Self {
        Deflate {
            stream,
            // Level 1: the line is slow or this layer would not be there, but the processor is
            // shared by all migrations.
            compress: Compress::new(Compression::fast(), false),
            decompress: Decompress::new(false),
            pending: received,
            more_inside: false,
            ended: false,
        }
    }

    fn inflate(&mut self) -> Result<Vec<u8>, Error> {
        let room = self.pending.len().saturating_mul(4).clamp(4096, READ_MAX);
        let mut plain = Vec::with_capacity(if self.more_inside { READ_MAX } else { room });
        let before = self.decompress.total_in();
        let status = self
            .decompress
            .decompress_vec(&self.pending, &mut plain, FlushDecompress::Sync)
            .map_err(|_| Error::Compression)?;
        let used = usize::try_from(self.decompress.total_in() - before).unwrap_or(usize::MAX);
        let _ = self.pending.split_to(used.min(self.pending.len()));
        self.more_inside = plain.len() == plain.capacity();
        self.ended |= status == Status::StreamEnd;
        let stuck = used == 0 && plain.is_empty() && !self.pending.is_empty();
        if stuck && !self.ended { Err(Error::Compression) } else { Ok(plain) }
    }

    fn deflate(&mut self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut packed = Vec::with_capacity(plain.len() + plain.len() / 1024 + WRITE_SLACK);
        let start = self.compress.total_in();
        // Each turn adds room; deflate ends once it leaves some of it unused (zlib manual).
        loop {
            let used = usize::try_from(self.compress.total_in() - start).unwrap_or(usize::MAX);
            let rest = plain.get(used..).unwrap_or_default();
            self.compress
                .compress_vec(rest, &mut packed, FlushCompress::Sync)
                .map_err(|_| Error::Compression)?;
            if packed.len() < packed.capacity() {
                return Ok(packed);
            }
            packed.reserve(WRITE_SLACK + plain.len() / 8);
        }
    }
}

impl<S: Stream> Stream for Deflate<S> {
    async fn read(&mut self) -> Result<Bytes, Error> {
        while !self.ended {
            if self.pending.is_empty() && !self.more_inside {
                self.pending = self.stream.read().await?;
                if self.pending.is_empty() {
                    break;
                }
            }
            let plain = self.inflate()?;
            if !plain.is_empty() {
                return Ok(plain.into());
            }
        }
        Ok(Bytes::new())
    }

    /// Each write is flushed, RFC 4978 section 3: the server acts on it at once.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        for plain in bytes.chunks(WRITE_BATCH) {
            let packed = self.deflate(plain)?;
            self.stream.write(packed.into()).await?;
        }
        Ok(())
    }
}
