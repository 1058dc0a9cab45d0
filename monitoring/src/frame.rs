//! Frames of a journal: Arrow IPC messages, each encrypted as a whole, with a check sum, so that a torn or damaged write is told
//! from a whole one, and a whole one under another key from both (LM-16).
//!
//! ```text
//! ff ff ff ff ‖ "weirfrm2" ‖ length[8] ‖ number[8] ‖ CRC-32[4]      32 bytes, little-endian
//! ciphertext ‖ tag[16]                                              `length` bytes, AES-256-GCM
//! zeroes up to a multiple of 64
//! ```
//! The nonce is four zero bytes and the number, big-endian, which rises by one with every frame that is made, whether the file
//! takes it or not; each journal has a key of its own, so none comes twice. The 28 bytes before the check sum are the
//! associated data. The sum is over everything else in the frame. What is encrypted are messages of an Arrow IPC stream, their
//! metadata padded to a multiple of 64: the header, or a batch with all of its dictionaries before it, so that a frame that is
//! lost takes nothing with it that another needs. What the batches mean is decided elsewhere.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use ring::aead::{Aad, NONCE_LEN, Nonce};

use crate::keys::DataKey;

/// Frames begin at multiples of this, and IPC aligns its buffers to it.
pub(crate) const ALIGNMENT: usize = 64;
const MARKER: [u8; 4] = [0xff; 4];
const MAGIC: [u8; 8] = *b"weirfrm2";
const HEAD: usize = 32;
/// The part of the head that is authenticated.
const ABOUT: usize = HEAD - 4;
/// What comes before the metadata of a message.
const PREFIX: usize = 8;
/// More is taken for damage: a batch of 8,192 rows with every text at its bound, or a header with every open tunnel, stays below.
const LARGEST: u64 = 512 << 20;

/// Turns schemas and batches into frames; keeps its buffers.
#[derive(Debug)]
pub(crate) struct Encoder {
    generator: IpcDataGenerator,
    tracker: DictionaryTracker,
    options: IpcWriteOptions,
    context: IpcWriteContext,
    key: DataKey,
    number: u64,
    frame: Vec<u8>,
}

impl Encoder {
    /// Under the key of one new journal.
    pub(crate) fn new(key: DataKey) -> Encoder {
        Encoder {
            generator: IpcDataGenerator::default(),
            tracker: DictionaryTracker::new(false),
            options: IpcWriteOptions::default(),
            context: IpcWriteContext::default(),
            key,
            number: 0,
            frame: Vec::new(),
        }
    }

    /// The frame that opens a stream.
    ///
    /// # Errors
    /// When it cannot be encrypted.
    pub(crate) fn schema(&mut self, schema: &Schema) -> Result<&[u8], ArrowError> {
        let encoded = self.schema_message(schema);
        self.seal(&[], &encoded)
    }

    fn schema_message(&mut self, schema: &Schema) -> EncodedData {
        self.generator.schema_to_bytes_with_dictionary_tracker(
            schema,
            &mut self.tracker,
            &self.options,
        )
    }

    /// One batch.
    ///
    /// # Errors
    /// When Arrow cannot encode it, for example because a column is larger than 2 GiB, or it cannot be encrypted.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<&[u8], ArrowError> {
        // A tracker that remembered would leave out a dictionary that the batch before had as well.
        self.tracker.clear();
        for column in batch.columns() {
            if matches!(column.data_type(), DataType::Dictionary(..)) {
                self.tracker.next_dict_id();
            }
        }
        let (dictionaries, encoded) =
            self.generator
                .encode(batch, &mut self.tracker, &self.options, &mut self.context)?;
        self.seal(&dictionaries, &encoded)
    }

    fn seal(
        &mut self,
        dictionaries: &[EncodedData],
        encoded: &EncodedData,
    ) -> Result<&[u8], ArrowError> {
        let number = self.number;
        // Whatever becomes of the frame, its number is used.
        self.number += 1;
        self.frame.clear();
        self.frame.resize(HEAD, 0);
        for message in dictionaries.iter().chain([encoded]) {
            put_message(message, &mut self.frame);
        }
        let failed = || ArrowError::IpcError("a frame cannot be encrypted".to_owned());
        let length = self.frame.len() - HEAD + self.key.aead.algorithm().tag_len();
        let about = about(length as u64, number);
        let (head, plain) = self.frame.split_at_mut(HEAD);
        head.get_mut(..ABOUT)
            .ok_or_else(failed)?
            .copy_from_slice(&about);
        let tag = self
            .key
            .aead
            .seal_in_place_separate_tag(nonce(number), Aad::from(about), plain)
            .map_err(|_| failed())?;
        self.frame.extend_from_slice(tag.as_ref());
        let size = self.frame.len().next_multiple_of(ALIGNMENT);
        self.frame.resize(size, 0);
        let (head, body) = self.frame.split_at_mut(HEAD);
        let sum = sum(head, body);
        head.get_mut(ABOUT..)
            .ok_or_else(failed)?
            .copy_from_slice(&sum);
        Ok(&self.frame)
    }
}

/// A header of today's schema, as it is before encryption: for a journal that lost its own.
pub(crate) fn plain_schema(schema: &Schema) -> Buffer {
    let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        schema,
        &mut DictionaryTracker::new(false),
        &IpcWriteOptions::default(),
    );
    let mut bytes = Vec::new();
    put_message(&encoded, &mut bytes);
    Buffer::from_vec(bytes)
}

/// One message of a stream, padded so that its body is aligned when the message is.
fn put_message(encoded: &EncodedData, out: &mut Vec<u8>) {
    let begin = out.len();
    let message = &encoded.ipc_message;
    let head = (PREFIX + message.len()).next_multiple_of(ALIGNMENT);
    // No metadata comes near 2 GiB: the largest is bounded by the number of open tunnels that are named.
    let metadata = i32::try_from(head - PREFIX).unwrap_or(i32::MAX);
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&metadata.to_le_bytes());
    out.extend_from_slice(message);
    out.resize(begin + head, 0);
    out.extend_from_slice(&encoded.arrow_data);
    let length = (out.len() - begin).next_multiple_of(ALIGNMENT);
    out.resize(begin + length, 0);
}

fn about(length: u64, number: u64) -> [u8; ABOUT] {
    let mut about = [0; ABOUT];
    let parts = [
        MARKER.as_slice(),
        &MAGIC,
        &length.to_le_bytes(),
        &number.to_le_bytes(),
    ];
    let bytes = parts.into_iter().flatten();
    for (place, byte) in about.iter_mut().zip(bytes) {
        *place = *byte;
    }
    about
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let (_, rest) = bytes.split_at_mut(NONCE_LEN - 8);
    rest.copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn sum(head: &[u8], body: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head.get(..ABOUT).unwrap_or_default());
    sum.update(body);
    sum.finalize().to_le_bytes()
}

/// What is at a place of a journal.
pub(crate) enum Found {
    /// A whole frame: its message, and its bytes in the file.
    Message(Buffer, u64),
    /// A whole frame that is not under this key, and its bytes in the file.
    Foreign(u64),
    /// Something torn, damaged, or no frame.
    Nothing,
}

/// The frame at `at`.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read(file: &File, at: u64, length: u64, key: &DataKey) -> io::Result<Found> {
    let Some((about, number, sealed, mut body)) = read_whole(file, at, length)? else {
        return Ok(Found::Nothing);
    };
    let size = (HEAD + body.len()) as u64;
    let sealed = body.as_slice_mut().get_mut(..sealed).unwrap_or_default();
    let opened = key
        .aead
        .open_in_place(nonce(number), Aad::from(about), sealed)
        .map(|plain| plain.len());
    Ok(match opened {
        Ok(plain) => {
            body.truncate(plain);
            Found::Message(body.into(), size)
        }
        Err(_) => Found::Foreign(size),
    })
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
            if start.starts_with(&MARKER) && read_whole(file, place, length)?.is_some() {
                return Ok(Some(place));
            }
        }
        at += window.len() as u64;
    }
    Ok(None)
}

/// Authenticated part of the head, number, sealed bytes, and everything after the head; None when the frame is not whole.
type Whole = ([u8; ABOUT], u64, usize, MutableBuffer);

fn read_whole(file: &File, at: u64, length: u64) -> io::Result<Option<Whole>> {
    let mut head = [0; HEAD];
    read_exact_or_short(file, &mut head, at)?;
    let numbers = head.get(MARKER.len() + MAGIC.len()..ABOUT);
    let (sealed, number) = numbers
        .unwrap_or_default()
        .split_at_checked(8)
        .unwrap_or_default();
    let sealed = u64::from_le_bytes(sealed.try_into().unwrap_or_default());
    let number = u64::from_le_bytes(number.try_into().unwrap_or_default());
    let about = about(sealed, number);
    if !head.starts_with(&about) || sealed > LARGEST {
        return Ok(None);
    }
    let size = (HEAD as u64 + sealed).next_multiple_of(ALIGNMENT as u64);
    if at.saturating_add(size) > length {
        return Ok(None);
    }
    let (Ok(size), Ok(sealed)) = (usize::try_from(size), usize::try_from(sealed)) else {
        return Ok(None);
    };
    let mut body = MutableBuffer::from_len_zeroed(size - HEAD);
    read_exact_or_short(file, body.as_slice_mut(), at + HEAD as u64)?;
    let is_whole = head.get(ABOUT..) == Some(&sum(&head, body.as_slice()));
    Ok(is_whole.then_some((about, number, sealed, body)))
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
