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

    /// What is compressed.
    pub fn inner(&self) -> &S {
        &self.stream
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
        if bytes.is_empty() {
            return self.stream.write(bytes).await;
        }
        for plain in bytes.chunks(WRITE_BATCH) {
            let packed = self.deflate(plain)?;
            self.stream.write(packed.into()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression};
    use futures::executor::block_on;
    use wire::fed::Bitten;
    use wire::pipe::pipe;

    fn sample(length: usize, spread: usize) -> Vec<u8> {
        let mut state = 1usize;
        let mut next = || {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            u8::try_from((state >> 16) % spread).unwrap()
        };
        (0..length).map(|_| next()).collect()
    }

    async fn read_all<S: Stream>(stream: &mut Deflate<S>, length: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < length {
            let bytes = stream.read().await.unwrap();
            assert!(!bytes.is_empty() && bytes.len() <= READ_MAX, "{}", bytes.len());
            heard.extend_from_slice(&bytes);
        }
        heard
    }

    #[test]
    fn both_ways_at_any_cut() {
        for bite in [1, 2, 7, 1000, usize::MAX] {
            for (length, spread) in [(1, 2), (50, 250), (300_000, 256), (600_000, 2)] {
                if bite == 1 && length > 1000 {
                    continue;
                }
                let (near, far) = pipe();
                let mut near = Deflate::new(Bitten::new(near, bite), Bytes::new());
                let mut far = Deflate::new(Bitten::new(far, bite), Bytes::new());
                let said = sample(length, spread);
                block_on(async {
                    near.write(said.clone().into()).await.unwrap();
                    assert!(read_all(&mut far, length).await == said);
                    far.write(Bytes::from_static(b"* OK")).await.unwrap();
                    assert_eq!(read_all(&mut near, 4).await, b"* OK");
                });
            }
        }
    }

    #[test]
    fn what_was_received_already_is_inflated_first() {
        let (near, far) = pipe();
        let (packed, rest) = {
            let mut compress = Compress::new(Compression::fast(), false);
            let mut packed = Vec::with_capacity(100);
            compress.compress_vec(b"* OK hello", &mut packed, FlushCompress::Sync).unwrap();
            let rest = packed.split_off(4);
            (packed, rest)
        };
        block_on(async {
            let mut stream = Deflate::new(near, packed.into());
            let mut far = far;
            far.write(rest.into()).await.unwrap();
            assert_eq!(read_all(&mut stream, 10).await, b"* OK hello");
            drop(far);
            assert_eq!(stream.read().await, Ok(Bytes::new()));
        });
    }

    #[test]
    fn a_small_stream_of_zeros_cannot_fill_memory() {
        let (near, mut far) = pipe();
        let mut compress = Compress::new(Compression::best(), false);
        let mut packed = Vec::with_capacity(200_000);
        compress.compress_vec(&vec![0; 50 << 20], &mut packed, FlushCompress::Sync).unwrap();
        assert!(packed.len() < 60_000);
        block_on(async {
            far.write(packed.into()).await.unwrap();
            let mut stream = Deflate::new(near, Bytes::new());
            assert_eq!(read_all(&mut stream, 50 << 20).await.len(), 50 << 20);
        });
    }

    #[test]
    fn damage_is_an_error() {
        let (near, mut far) = pipe();
        block_on(async {
            far.write(Bytes::from_static(b"* BAD not compressed\r\n")).await.unwrap();
            drop(far);
            let mut stream = Deflate::new(near, Bytes::new());
            assert_eq!(stream.read().await, Err(Error::Compression));
        });
    }
}
