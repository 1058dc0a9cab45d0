//! Blinded tags: a person as a leaf says it openly, without their name.
//!
//! ```text
//! tag         = first 16 bytes of HMAC-SHA256(tag key[32], name in lower case); 16 zero bytes for a row without a person
//! fingerprint = SHA-256(0x07 ‖ tag key[32])
//! ```
//! One key for each log: within it the same person always has the same tag, so that it can be shown that none of their rows was
//! left out; in another log they have another. Who lacks the key cannot test a guess of a name.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::hash::Hash;

/// Bytes of a tag.
const LENGTH: usize = 16;
/// What the text form of a key begins with.
const MAGIC: &str = "weir-tag-key-1 ";

/// Who a row is of, blinded; written as 32 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; LENGTH]);

impl Tag {
    /// Of a row without a person.
    pub const NONE: Tag = Tag([0; LENGTH]);
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

/// A text that is not 32 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tag is 32 hexadecimal digits in lower case")]
pub struct TagError;

impl std::str::FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Tag, TagError> {
        let number = u128::from_str_radix(text, 16).map_err(|_| TagError)?;
        let tag = Tag(number.to_be_bytes());
        (tag.to_string() == text).then_some(tag).ok_or(TagError)
    }
}

/// Why there is no tag key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagKeyError {
    /// The system gives no random bytes.
    #[error("the system has no randomness")]
    NoRandomness,
    /// The text is no tag key.
    #[error("a tag key is \"{MAGIC}\" and 32 bytes in base64 on one line")]
    Form,
}

/// The key of a log's tags. Who has it can tell which tag a name has, and so test guesses.
#[derive(Clone)]
pub struct TagKey {
    bytes: [u8; 32],
    key: hmac::Key,
}

impl TagKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<TagKey, TagKeyError> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| TagKeyError::NoRandomness)?;
        Ok(TagKey::new(bytes))
    }

    /// The key of these bytes.
    pub fn new(bytes: [u8; 32]) -> TagKey {
        TagKey {
            bytes,
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
        }
    }

    /// The tag of a person, whatever the case of the name.
    pub fn tag(&self, name: &str) -> Tag {
        let whole = hmac::sign(&self.key, name.to_lowercase().as_bytes());
        let mut tag = Tag::NONE;
        // HMAC-SHA256 always has 32 bytes.
        if let Some(first) = whole.as_ref().get(..LENGTH) {
            tag.0.copy_from_slice(first);
        }
        tag
    }

    /// What the first checkpoint of a log says of its key; tells nothing of it.
    pub fn fingerprint(&self) -> Hash {
        let mut bytes = [7; 33];
        let (_, rest) = bytes.split_at_mut(1);
        rest.copy_from_slice(&self.bytes);
        Hash::of(&bytes)
    }

    /// The text form, one line.
    pub fn to_text(&self) -> String {
        format!("{MAGIC}{}\n", STANDARD.encode(self.bytes))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_text(text: &str) -> Result<TagKey, TagKeyError> {
        let encoded = text
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_suffix('\n'));
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(TagKey::new).ok_or(TagKeyError::Form)
    }
}

/// Shows nothing of it.
impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_is_the_documented_hmac_of_the_name_in_lower_case_lm_38() {
        // A key of 4 bytes is the same key when zeros are put behind it (RFC 2104).
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(b"Jefe");
        let key = TagKey::new(bytes);
        let tag = key.tag("What do ya want for nothing?");
        assert_ne!(tag, Tag::NONE);
        assert_eq!(tag, key.tag("WHAT DO YA WANT FOR NOTHING?"));
        let whole = ring::hmac::sign(
            &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"Jefe"),
            b"what do ya want for nothing?",
        );
        assert_eq!(tag.0, whole.as_ref()[..16]);
        assert_ne!(
            tag,
            TagKey::random()
                .unwrap()
                .tag("what do ya want for nothing?")
        );
    }

    #[test]
    fn tags_and_keys_read_back_and_take_no_other_form() {
        let key = TagKey::random().unwrap();
        let again = TagKey::from_text(&key.to_text()).unwrap();
        assert_eq!(again.tag("ann"), key.tag("ann"));
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert_eq!(format!("{key:?}"), "TagKey");
        let text = key.to_text();
        for bad in [text.trim_end(), &text[1..], "", "weir-tag-key-1 AAAA\n"] {
            assert!(TagKey::from_text(bad).is_err());
        }
        let tag = key.tag("ann");
        assert_eq!(tag.to_string().parse(), Ok(tag));
        let upper = "AB".repeat(16);
        for bad in ["", "00", upper.as_str(), "+0000000000000000000000000000000"] {
            assert_eq!(bad.parse::<Tag>(), Err(TagError), "{bad}");
        }
    }
}
