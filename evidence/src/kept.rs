//! Files that lie beside the records and that checkpoints speak of: as many bytes as there were, and their digest.
//!
//! Decides nothing about what they hold. A file that is only ever added to keeps what was said of its beginning.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// A file as a checkpoint found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Its path under the state directory, without blanks.
    pub name: String,
    /// How many bytes it had.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub digest: Hash,
}

impl KeptFile {
    pub(crate) fn line(&self) -> String {
        format!("{} {} {}", self.name, self.bytes, self.digest)
    }

    /// Reads what [`KeptFile::line`] gives; that the form is that one is the caller's to compare.
    pub(crate) fn parse(line: &str) -> Option<KeptFile> {
        let mut words = line.split(' ');
        let file = KeptFile {
            name: words.next()?.to_owned(),
            bytes: words.next()?.parse().ok()?,
            digest: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(file)
    }
}

/// SHA-256 of the first bytes of something, for each of these ascending numbers of bytes; None from where it is shorter.
///
/// # Errors
/// When reading fails.
pub fn digests_of_beginnings(mut reader: impl Read, ends: &[u64]) -> io::Result<Vec<Option<Hash>>> {
    let mut context = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut at: u64 = 0;
    let mut found = Vec::with_capacity(ends.len());
    for end in ends {
        let mut rest = reader.by_ref().take(end.saturating_sub(at));
        loop {
            let count = rest.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            context.update(buffer.get(..count).unwrap_or_default());
            at = at.saturating_add(count as u64);
        }
        found.push((at == *end).then(|| Hash(context.clone().finalize().into())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_beginning_has_its_digest_and_what_is_not_there_has_none() {
        let text = b"one line\nanother\n";
        let found = digests_of_beginnings(&text[..], &[0, 9, 9, 17, 18]).unwrap();
        let of = |end: usize| Some(Hash::of(&text[..end]));
        assert_eq!(found, [of(0), of(9), of(9), of(17), None]);
    }
}
