//! Decides whether a name is in the catalogue, and with which set: an exact table of millions of names, built once.
//!
//! Names lie in buckets of 15 by their hash. One control byte a slot stands apart from everything else, so that a miss,
//! which most questions are, reads 16 bytes of a region small enough to stay in cache. The sixteenth byte tells for each
//! eighth of all hashes whether a name had to move on to the next bucket, so that few questions follow. A control byte that
//! fits leads to a 16-bit print beside the number of the name's set, and only a print that fits leads to the name itself,
//! which decides: there are no false positives. Full names lie in bucket order, one offset a bucket, so that this largest
//! region can be mapped from a file and stay cold.
//!
//! It does not know what a set means, nor which parents of a name to ask about.

use std::io::{self, Read, Write};

use thiserror::Error;

use crate::bytes::{Bytes, array, u32_at};

const SLOTS: usize = 15;
/// Names per bucket on average: full enough to be small, empty enough that few buckets overflow into the next.
const TARGET: usize = 13;
const LOW_BITS: u128 = u128::from_le_bytes([0x7f; SLOTS + 1]);
/// The bytes of a control word that belong to slots.
const SLOT_BYTES: u128 = u128::MAX >> 8;

/// Most buckets in a row that names may overflow along; thousands of names with one hash would do that, never chance. It
/// bounds what one question can cost, whatever a list or a file holds.
const RUN_MAX: usize = 4096;

/// Why names cannot be laid out.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    /// The names' text would not fit the 32-bit offsets.
    #[error("the names of all lists together are longer than 4 GiB")]
    TooLong,
    /// More names share a hash than could be told apart in bounded time.
    #[error("tens of thousands of names are made to look alike")]
    Crafted,
    /// The text cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// One control byte a slot: 0 for an empty slot, else the low bits of the hash. Slots fill from the first. The last byte has
/// a bit for each name that did not fit.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
struct Control([u8; SLOTS + 1]);

/// What belongs to one bucket, on one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// Print (high half) and set (low half) of each slot.
    slots: [u32; SLOTS],
    /// Where the block of names starts in the text.
    start: u32,
}

/// Names with the number of a set each.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Buckets that a hash can point at; a few more may follow for what the last ones could not take.
    homes: u64,
    names: usize,
    control: Box<[Control]>,
    buckets: Box<[Bucket]>,
    /// Per bucket: one length byte a name, then the names.
    text: Bytes,
}

/// A table's parts, as a file has them.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    homes: u64,
    names: usize,
    control: Vec<Control>,
    buckets: Vec<Bucket>,
}

impl Parts {
    /// Bytes that [`Parts::write`] writes.
    #[cfg(test)]
    pub(crate) fn length(&self) -> u64 {
        16 + self.control.len() as u64 * (size_of::<Control>() + size_of::<Bucket>()) as u64
    }

    /// Writes everything but the text: homes, names, the control groups, the buckets.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.homes.to_le_bytes())?;
        out.write_all(&(self.names as u64).to_le_bytes())?;
        for control in &self.control {
            out.write_all(&control.0)?;
        }
        for bucket in &self.buckets {
            let mut line = [0; size_of::<Bucket>()];
            let numbers = bucket.slots.iter().chain([&bucket.start]);
            for (four, number) in line.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
                *four = number.to_le_bytes();
            }
            out.write_all(&line)?;
        }
        Ok(())
    }

    /// Reads what [`Parts::write`] wrote in `length` bytes. `None` for anything that it cannot have written.
    pub(crate) fn read(from: &mut impl Read, length: u64) -> io::Result<Option<Parts>> {
        let mut head = [0; 16];
        from.read_exact(&mut head)?;
        let [homes, names] = [0, 8].map(|at| array(&head, at).map_or(0, u64::from_le_bytes));
        let each = (size_of::<Control>() + size_of::<Bucket>()) as u64;
        let count = length.saturating_sub(16) / each;
        let fits = length == 16 + count * each && (1..=count).contains(&homes);
        // Beyond that, offsets of names would not be 32 bits wide.
        let (true, Ok(count)) = (fits && count < 1 << 32, usize::try_from(count)) else {
            return Ok(None);
        };
        let control = read_each(from, count, |bytes| Control(*bytes))?;
        let buckets = read_each(from, count, |bytes: &[u8; size_of::<Bucket>()]| Bucket {
            slots: std::array::from_fn(|at| u32_at(bytes, 4 * at).unwrap_or_default()),
            start: u32_at(bytes, 4 * SLOTS).unwrap_or_default(),
        })?;
        Ok(Some(Parts {
            homes,
            names: usize::try_from(names).unwrap_or_default(),
            control,
            buckets,
        }))
    }

    /// The table, with the text that belongs to it.
    pub(crate) fn with(self, text: Bytes) -> Table {
        Table {
            homes: self.homes,
            names: self.names,
            control: self.control.into_boxed_slice(),
            buckets: self.buckets.into_boxed_slice(),
            text,
        }
    }
}

/// Reads `count` items of `N` bytes each, through a buffer that stays in cache.
fn read_each<T, const N: usize>(
    from: &mut impl Read,
    count: usize,
    item: impl Fn(&[u8; N]) -> T,
) -> io::Result<Vec<T>> {
    const AT_ONCE: usize = 1 << 16;
    let mut items = Vec::with_capacity(count);
    let mut buffer = vec![0; AT_ONCE / N * N];
    while items.len() < count {
        let length = buffer.len().min((count - items.len()) * N);
        let part = buffer.get_mut(..length).unwrap_or_default();
        from.read_exact(part)?;
        items.extend(part.as_chunks::<N>().0.iter().map(&item));
    }
    Ok(items)
}

impl Table {
    /// The set of `name`, whose hash is `hash`.
    #[inline]
    pub(crate) fn get(&self, hash: u64, name: &str) -> Option<u16> {
        let home = home(hash, self.homes);
        let look = self.control.get(home)?.look(hash);
        // One branch for the common end, which the processor foresees: the next question's read need not wait for this one's.
        if look == 0 {
            return None;
        }
        self.search(home, hash, name)
    }

    #[inline(never)]
    fn search(&self, home: usize, hash: u64, name: &str) -> Option<u16> {
        for bucket in home..=home + RUN_MAX {
            let look = self.control.get(bucket)?.look(hash);
            let mut hits = look & SLOT_BYTES;
            while hits != 0 {
                let slot = (hits.trailing_zeros() / 8) as usize;
                hits &= hits - 1;
                if let Some(set) = self.verified(bucket, slot, hash, name) {
                    return Some(set);
                }
            }
            if look & !SLOT_BYTES == 0 {
                return None;
            }
        }
        None
    }

    fn verified(&self, bucket: usize, slot: usize, hash: u64, name: &str) -> Option<u16> {
        let entry = *self.buckets.get(bucket)?.slots.get(slot)?;
        let fits = entry >> 16 == print(hash) && self.name(bucket, slot)? == name.as_bytes();
        fits.then_some(entry as u16)
    }

    fn name(&self, bucket: usize, slot: usize) -> Option<&[u8]> {
        let block = self
            .text
            .all()
            .get(self.buckets.get(bucket)?.start as usize..)?;
        let used = self.control.get(bucket)?.used();
        let (lengths, texts) = block.split_at_checked(used)?;
        let skipped: usize = lengths.get(..slot)?.iter().map(|l| usize::from(*l)).sum();
        texts
            .get(skipped..)?
            .get(..usize::from(*lengths.get(slot)?))
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.control) + size_of_val(&*self.buckets) + self.text.held()
    }
}

impl Control {
    fn used(&self) -> usize {
        let word = u128::from_le_bytes(self.0) & SLOT_BYTES;
        SLOTS + 1 - (word.leading_zeros() / 8) as usize
    }

    /// The high bit of each slot's byte that fits `hash`, and in the last byte a bit if a name of such a hash moved on.
    #[inline]
    fn look(&self, hash: u64) -> u128 {
        let moved = u128::from(overflow_bit(hash)) << (8 * SLOTS);
        equal_bytes(self, control_byte(hash)) & SLOT_BYTES | u128::from_le_bytes(self.0) & moved
    }
}

fn home(hash: u64, homes: u64) -> usize {
    ((u128::from(hash) * u128::from(homes)) >> 64) as usize
}

fn control_byte(hash: u64) -> u8 {
    (hash as u8).max(1)
}

fn print(hash: u64) -> u32 {
    u32::from((hash >> 8) as u16)
}

fn overflow_bit(hash: u64) -> u8 {
    1 << (hash >> 24 & 7)
}

/// The high bit of each byte of `group` that equals `byte`; exact, without borrows between bytes.
fn equal_bytes(group: &Control, byte: u8) -> u128 {
    let differing = u128::from_le_bytes(group.0) ^ u128::from_le_bytes([byte; SLOTS + 1]);
    !(((differing & LOW_BITS) + LOW_BITS) | differing | LOW_BITS)
}

/// Takes names in the order of their hashes, lays them out and writes their text.
pub(crate) struct Builder<'a> {
    parts: Parts,
    /// Where the names go.
    text: &'a mut dyn Write,
    written: u64,
    /// The bucket being filled.
    control_now: Control,
    bucket_now: Bucket,
    used: usize,
    lengths: Vec<u8>,
    texts: Vec<u8>,
}

impl Builder<'_> {
    /// Room for about `names` distinct names, whose text goes to `text`. Fewer or more are right too, only less compact.
    pub(crate) fn new(names: usize, text: &mut dyn Write) -> Builder<'_> {
        let homes = names / TARGET + 1;
        Builder {
            parts: Parts {
                homes: homes as u64,
                names: 0,
                control: Vec::with_capacity(homes + 1),
                buckets: Vec::with_capacity(homes + 1),
            },
            text,
            written: 0,
            control_now: Control::default(),
            bucket_now: Bucket::default(),
            used: 0,
            lengths: Vec::with_capacity(SLOTS),
            texts: Vec::with_capacity(SLOTS * 64),
        }
    }

    /// Adds a name of at most 255 bytes (`Host` allows 253). Hashes must not decrease, names not repeat.
    ///
    /// # Errors
    /// [`WriteError`] says what does not fit.
    pub(crate) fn push(&mut self, hash: u64, name: &[u8], set: u16) -> Result<(), WriteError> {
        let length = u8::try_from(name.len()).map_err(|_| WriteError::TooLong)?;
        let home = home(hash, self.parts.homes);
        while self.parts.control.len() < home || self.used == SLOTS {
            self.close()?;
        }
        let passed = self.parts.control.get_mut(home..).unwrap_or_default();
        if passed.len() >= RUN_MAX {
            return Err(WriteError::Crafted);
        }
        for passed in passed {
            passed.0[SLOTS] |= overflow_bit(hash);
        }
        // The loop has left a free slot.
        self.control_now.0[self.used] = control_byte(hash);
        self.bucket_now.slots[self.used] = print(hash) << 16 | u32::from(set);
        self.lengths.push(length);
        self.texts.extend_from_slice(name);
        self.used += 1;
        self.parts.names += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), WriteError> {
        self.bucket_now.start = u32::try_from(self.written).map_err(|_| WriteError::TooLong)?;
        self.parts
            .buckets
            .push(std::mem::take(&mut self.bucket_now));
        self.parts
            .control
            .push(std::mem::take(&mut self.control_now));
        self.written += (self.lengths.len() + self.texts.len()) as u64;
        self.text.write_all(&self.lengths)?;
        self.text.write_all(&self.texts)?;
        self.lengths.clear();
        self.texts.clear();
        self.used = 0;
        Ok(())
    }

    /// The finished table but for its text, which has been written.
    ///
    /// # Errors
    /// [`WriteError`] says what does not fit.
    pub(crate) fn finish(mut self) -> Result<Parts, WriteError> {
        self.close()?;
        while (self.parts.control.len() as u64) < self.parts.homes {
            self.close()?;
        }
        Ok(self.parts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hash;

    fn table(names: &[String]) -> Table {
        let mut rows: Vec<(u64, &str, u16)> = (0..)
            .zip(names)
            .map(|(at, name)| (hash::of(name), name.as_str(), at))
            .collect();
        rows.sort_unstable();
        laid_out(rows)
    }

    fn laid_out<'a>(rows: impl IntoIterator<Item = (u64, &'a str, u16)>) -> Table {
        let rows: Vec<(u64, &str, u16)> = rows.into_iter().collect();
        let mut text = Vec::new();
        let mut builder = Builder::new(rows.len(), &mut text);
        for (hash, name, set) in rows {
            builder.push(hash, name.as_bytes(), set).unwrap();
        }
        let parts = builder.finish().unwrap();
        parts.with(text.into())
    }

    #[test]
    fn a_table_is_read_back_as_it_was_written_and_nothing_else_is() {
        let names: Vec<String> = (0..500).map(|n| format!("n{n}.example")).collect();
        let mut rows: Vec<(u64, &String)> = names.iter().map(|n| (hash::of(n), n)).collect();
        rows.sort_unstable();
        let mut text = Vec::new();
        let mut builder = Builder::new(rows.len(), &mut text);
        for (hash, name) in rows {
            builder.push(hash, name.as_bytes(), 7).unwrap();
        }
        let parts = builder.finish().unwrap();
        let mut file = Vec::new();
        parts.write(&mut file).unwrap();
        assert_eq!(file.len() as u64, parts.length());
        let again = Parts::read(&mut &*file, parts.length()).unwrap().unwrap();
        let table = again.with(text.into());
        assert_eq!(table.len(), names.len());
        for name in &names {
            assert_eq!(table.get(hash::of(name), name), Some(7));
        }
        for length in 0..file.len() {
            let read = Parts::read(&mut &file[..length], length as u64);
            assert!(!matches!(read, Ok(Some(_))), "{length} bytes");
        }
        let mut homeless = file.clone();
        homeless[..8].fill(0);
        assert!(
            Parts::read(&mut &*homeless, file.len() as u64)
                .unwrap()
                .is_none()
        );
        homeless[..8].fill(0xff);
        assert!(
            Parts::read(&mut &*homeless, file.len() as u64)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn names_made_to_have_one_hash_are_refused_before_they_could_stall_a_question() {
        let mut text = Vec::new();
        let mut builder = Builder::new(RUN_MAX * 20, &mut text);
        let pushed =
            (0..RUN_MAX * 20).find_map(|n| builder.push(9, format!("n{n}").as_bytes(), 0).err());
        assert!(matches!(pushed, Some(WriteError::Crafted)), "{pushed:?}");
    }

    #[test]
    fn every_name_is_found_with_its_own_set_and_no_other_name_is() {
        for count in [0, 1, 13, 14, 15, 16, 17, 100, 20_000] {
            let names: Vec<String> = (0..count).map(|n| format!("n{n}.example")).collect();
            let table = table(&names);
            assert_eq!(table.len(), count);
            for (at, name) in (0..).zip(&names) {
                assert_eq!(
                    table.get(hash::of(name), name),
                    Some(at),
                    "{name} of {count}"
                );
                let longer = format!("x{name}");
                assert_eq!(table.get(hash::of(&longer), &longer), None);
            }
        }
    }

    #[test]
    fn a_hit_is_decided_by_the_name_not_by_its_hash() {
        let table = laid_out([(77, "listed.example", 5)]);
        assert_eq!(table.get(77, "listed.example"), Some(5));
        assert_eq!(table.get(77, "other.example"), None);
        assert_eq!(table.get(77, "listed.exampl"), None);
    }

    #[test]
    fn names_with_one_hash_overflow_into_the_next_buckets_and_are_found() {
        for hash in [0, 1 << 63, u64::MAX] {
            let names: Vec<String> = (0..64).map(|n| format!("n{n}")).collect();
            let table = laid_out(
                (0..)
                    .zip(&names)
                    .map(|(set, name)| (hash, name.as_str(), set)),
            );
            for (set, name) in (0..).zip(&names) {
                assert_eq!(table.get(hash, name), Some(set));
            }
            assert_eq!(table.get(hash, "absent"), None);
            assert_eq!(table.get(u64::MAX, "absent"), None);
        }
    }

    #[test]
    fn the_byte_comparison_is_exact_for_every_pair_of_bytes() {
        for have in 0..=255_u8 {
            for want in 0..=255_u8 {
                let mut group = Control([have.wrapping_add(1); SLOTS + 1]);
                group.0[5] = have;
                let expected = (0..=SLOTS).filter(|at| group.0[*at] == want);
                let mask: u128 = expected.map(|at| 0x80 << (8 * at)).sum();
                assert_eq!(equal_bytes(&group, want), mask, "{have} {want}");
            }
        }
    }

    #[test]
    fn a_name_costs_about_six_bytes_beside_its_text() {
        let names: Vec<String> = (0..60_000).map(|n| format!("n{n}.example")).collect();
        let text: usize = names.iter().map(|name| name.len() + 1).sum();
        let beside = (table(&names).bytes() - text) as f64 / names.len() as f64;
        assert!(beside < 6.4, "{beside} bytes a name");
    }
}
