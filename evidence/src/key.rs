//! Ed25519 keys in the text forms of signed notes (C2SP signed-note; Go's `note` package for the private form).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hash::Hash;

/// Signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 1;
const PRIVATE: &str = "PRIVATE+KEY+";

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random bytes.
    #[error("the system has no randomness")]
    NoRandomness,
    /// A name that cannot stand in a note.
    #[error("a key's name is not empty and has neither blanks nor \"+\"")]
    Name,
    /// The text is no public key.
    #[error(
        "a public key is NAME+ID+BASE64 on one line, of type Ed25519, and ID is that of name and key"
    )]
    Public,
    /// The text is no private key.
    #[error(
        "a private key is {PRIVATE}NAME+ID+BASE64 on one line, of type Ed25519, and ID is that of name and key"
    )]
    Private,
}

/// The public half: whoever has it can check what the log's owner signed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    fn new(name: &str, public: [u8; 32]) -> Result<VerifierKey, KeyError> {
        let is_bad = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '+';
        if name.is_empty() || name.contains(is_bad) {
            return Err(KeyError::Name);
        }
        Ok(VerifierKey {
            name: name.to_owned(),
            public,
        })
    }

    /// The name on signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number on signature lines: the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
    pub fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.clone().into_bytes();
        bytes.extend_from_slice(&[b'\n', ED25519_TYPE]);
        bytes.extend_from_slice(&self.public);
        let [a, b, c, d, ..] = Hash::of(&bytes).0;
        [a, b, c, d]
    }

    /// Whether this key made the signature over these bytes.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(bytes, signature)
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, encoded(&self.public))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<VerifierKey, KeyError> {
        // Base64 has plus signs too, names have none.
        let mut parts = text.splitn(3, '+');
        let (name, _, key) = (parts.next(), parts.next(), parts.next());
        let name = name.ok_or(KeyError::Public)?;
        let public = key.and_then(decoded).ok_or(KeyError::Public)?;
        let read = VerifierKey::new(name, public)?;
        // The one form there is of it: the number must be that of name and key.
        (read.to_string() == text)
            .then_some(read)
            .ok_or(KeyError::Public)
    }
}

/// The private half.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SigningKey {
    /// A new key of this name.
    ///
    /// # Errors
    /// When the system gives no random bytes, or the name cannot stand in a note.
    pub fn random(name: &str) -> Result<SigningKey, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| KeyError::NoRandomness)?;
        SigningKey::from_seed(name, seed)
    }

    /// The key of this seed (RFC 8032).
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<SigningKey, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Private)?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(SigningKey {
            seed,
            pair,
            verifier: VerifierKey::new(name, public)?,
        })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs these bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // Ed25519 always has 64 bytes.
        signature.copy_from_slice(self.pair.sign(bytes).as_ref());
        signature
    }

    /// The text form, without a line end. A secret.
    pub fn to_text(&self) -> String {
        let id = u32::from_be_bytes(self.verifier.id());
        let seed = encoded(&self.seed);
        format!("{PRIVATE}{}+{id:08x}+{seed}", self.verifier.name)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_text(text: &str) -> Result<SigningKey, KeyError> {
        let rest = text.strip_prefix(PRIVATE).ok_or(KeyError::Private)?;
        let mut parts = rest.splitn(3, '+');
        let (name, _, seed) = (parts.next(), parts.next(), parts.next());
        let seed = seed.and_then(decoded).ok_or(KeyError::Private)?;
        let read = SigningKey::from_seed(name.unwrap_or_default(), seed)?;
        (read.to_text() == text)
            .then_some(read)
            .ok_or(KeyError::Private)
    }
}

/// Shows nothing of the private half.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier)
    }
}

fn encoded(bytes: &[u8; 32]) -> String {
    let mut typed = vec![ED25519_TYPE];
    typed.extend_from_slice(bytes);
    STANDARD.encode(typed)
}

fn decoded(text: &str) -> Option<[u8; 32]> {
    let bytes = STANDARD.decode(text).ok()?;
    let (kind, key) = bytes.split_first()?;
    (*kind == ED25519_TYPE).then(|| key.try_into().ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text_and_nothing_near_it_does() {
        let key = SigningKey::random("weir/north/1").unwrap();
        let again = SigningKey::from_text(&key.to_text()).unwrap();
        assert_eq!(again.verifier(), key.verifier());
        let public = key.verifier().to_string();
        assert_eq!(&public.parse::<VerifierKey>().unwrap(), key.verifier());
        for text in [public, key.to_text()] {
            for at in 0..text.len() {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1;
                let Ok(changed) = String::from_utf8(changed) else {
                    continue;
                };
                assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
                assert!(SigningKey::from_text(&changed).is_err(), "{changed}");
            }
        }
        assert!(!format!("{key:?}").contains(&key.to_text()));
        assert!(matches!(SigningKey::random("a b"), Err(KeyError::Name)));
        assert!(matches!(SigningKey::random("a+b"), Err(KeyError::Name)));
    }

    #[test]
    fn a_public_key_of_the_signed_note_specification_is_read() {
        // Of Go's sumdb, in every Go installation.
        let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.name(), "sum.golang.org");
        assert_eq!(key.id(), [0x03, 0x3d, 0xe0, 0xae]);
    }
}
