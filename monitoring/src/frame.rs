//! Frames of a journal: Arrow IPC messages with a check sum, so that a torn or damaged write is told from a whole one.
//!
//! The IPC stream format has no check sum. It does let the metadata of a message be followed by padding, and there each frame
//! carries, last, `weirsum1`, the length of its body and a CRC-32 of everything else in it: any Arrow reader reads the stream,
//! and this one also knows what to trust. Frames begin at multiples of 64 bytes. What the batches mean is decided elsewhere.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};

/// Frames begin at multiples of this, and IPC aligns its buffers to it.
pub(crate) const ALIGNMENT: usize = 64;
const MARKER: [u8; 4] = [0xff; 4];
const MAGIC: [u8; 8] = *b"weirsum1";
const PREFIX: usize = 8;
/// Magic, length of the body, CRC-32, four zero bytes.
const TRAILER: usize = 24;
/// Metadata beyond this is taken for damage: the largest, a header with every open tunnel, stays far below.
const LARGEST_METADATA: usize = 64 << 20;
/// A body beyond this is taken for damage: a batch of 8,192 rows with every text at its bound stays below.
const LARGEST_BODY: u64 = 512 << 20;

/// Turns schemas and batches into frames; keeps its buffers.
#[derive(Debug)]
pub(crate) struct Encoder {
    generator: IpcDataGenerator,
    tracker: DictionaryTracker,
    options: IpcWriteOptions,
    context: IpcWriteContext,
    frame: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new() -> Encoder {
        Encoder {
            generator: IpcDataGenerator::default(),
            tracker: DictionaryTracker::new(false),
            options: IpcWriteOptions::default(),
            context: IpcWriteContext::default(),
            frame: Vec::new(),
        }
    }

    /// The frame that opens a stream.
    pub(crate) fn schema(&mut self, schema: &Schema) -> &[u8] {
        let encoded = self.generator.schema_to_bytes_with_dictionary_tracker(
            schema,
            &mut self.tracker,
            &self.options,
        );
        self.seal(&encoded)
    }

    /// One batch.
    ///
    /// # Errors
    /// When Arrow cannot encode it, for example because a column is larger than 2 GiB.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<&[u8], ArrowError> {
        let (_, encoded) =
            self.generator
                .encode(batch, &mut self.tracker, &self.options, &mut self.context)?;
        Ok(self.seal(&encoded))
    }

    fn seal(&mut self, encoded: &EncodedData) -> &[u8] {
        let message = &encoded.ipc_message;
        let head = (PREFIX + message.len() + TRAILER).next_multiple_of(ALIGNMENT);
        let body_length = encoded.arrow_data.len().next_multiple_of(ALIGNMENT);
        // No metadata comes near 2 GiB: the largest is bounded by the number of open tunnels that are named.
        let metadata_length = i32::try_from(head - PREFIX).unwrap_or(i32::MAX);
        let frame = &mut self.frame;
        frame.clear();
        frame.extend_from_slice(&MARKER);
        frame.extend_from_slice(&metadata_length.to_le_bytes());
        frame.extend_from_slice(message);
        frame.resize(head - TRAILER, 0);
        frame.extend_from_slice(&MAGIC);
        frame.extend_from_slice(&(body_length as u64).to_le_bytes());
        let mut sum = crc32fast::Hasher::new();
        sum.update(frame);
        sum.update(&encoded.arrow_data);
        let padding = [0; ALIGNMENT];
        sum.update(
            padding
                .get(..body_length - encoded.arrow_data.len())
                .unwrap_or_default(),
        );
        frame.extend_from_slice(&sum.finalize().to_le_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&encoded.arrow_data);
        frame.resize(head + body_length, 0);
        frame
    }
}

/// The whole frame at `at`, or None when what is there is torn, damaged or no frame.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read(file: &File, at: u64, length: u64) -> io::Result<Option<Buffer>> {
    let Some((head, body)) = read_sizes(file, at, length)? else {
        return Ok(None);
    };
    let mut buffer = MutableBuffer::from_len_zeroed(head + body);
    read_exact_or_short(file, buffer.as_slice_mut(), at)?;
    Ok(is_whole(buffer.as_slice(), head).then(|| buffer.into()))
}

/// The place of the next whole frame at or after `at`, if any.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn find(file: &File, at: u64, length: u64) -> io::Result<Option<u64>> {
    let mut at = at.next_multiple_of(ALIGNMENT as u64);
    let mut window = vec![0; 1 << 16];
    while at < length {
        window.fill(0);
        read_exact_or_short(file, &mut window, at)?;
        for (index, start) in window.chunks(ALIGNMENT).enumerate() {
            let place = at + (index * ALIGNMENT) as u64;
            if start.starts_with(&MARKER) && read(file, place, length)?.is_some() {
                return Ok(Some(place));
            }
        }
        at += window.len() as u64;
    }
    Ok(None)
}

/// Lengths of head and body, when they are possible and lie inside the file.
fn read_sizes(file: &File, at: u64, length: u64) -> io::Result<Option<(usize, usize)>> {
    let mut prefix = [0; PREFIX];
    read_exact_or_short(file, &mut prefix, at)?;
    let [a, b, c, d, size @ ..] = prefix;
    let metadata = usize::try_from(i32::from_le_bytes(size)).unwrap_or(usize::MAX);
    let head = metadata.saturating_add(PREFIX);
    if [a, b, c, d] != MARKER
        || !(PREFIX + TRAILER..LARGEST_METADATA).contains(&head)
        || at + head as u64 > length
    {
        return Ok(None);
    }
    let mut trailer = [0; 16];
    read_exact_or_short(file, &mut trailer, at + (head - TRAILER) as u64)?;
    let (magic, body) = trailer.split_at(MAGIC.len());
    let body = u64::from_le_bytes(body.try_into().unwrap_or_default());
    if magic != MAGIC || body > LARGEST_BODY || at + head as u64 + body > length {
        return Ok(None);
    }
    Ok(usize::try_from(body).ok().map(|body| (head, body)))
}

fn is_whole(frame: &[u8], head: usize) -> bool {
    let Some((head, body)) = frame.split_at_checked(head) else {
        return false;
    };
    let Some((covered, stored)) = head.split_at_checked(head.len() - 8) else {
        return false;
    };
    let mut sum = crc32fast::Hasher::new();
    sum.update(covered);
    sum.update(body);
    // The four zero bytes are compared too, so that no bit of a frame is beyond notice.
    u64::from(sum.finalize()).to_le_bytes() == stored
}

/// Reads what there is; the rest stays zero, which is never a frame.
fn read_exact_or_short(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    match file.read_exact_at(buffer, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let mut done = 0;
            while let Some(rest) = buffer.get_mut(done..) {
                match file.read_at(rest, at + done as u64)? {
                    0 => break,
                    count => done += count,
                }
            }
            Ok(())
        }
        other => other,
    }
}
