//! Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::{SigningKey, VerifierKey};

/// Begins a signature line: an em dash and a blank.
const DASH: &str = "\u{2014} ";

/// Why a text is no signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// There is no empty line between text and signatures, or no signature.
    #[error("a signed note is a text, an empty line and at least one signature line")]
    Form,
    /// A line that is no signature.
    #[error("a signature line is \"\u{2014} NAME BASE64\"")]
    Signature,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Number of the key.
    pub id: [u8; 4],
    /// The signature itself; 64 bytes for Ed25519.
    pub bytes: Vec<u8>,
}

/// A text with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Signs a text, which must end in a line end.
    pub fn sign(text: String, keys: &[&SigningKey]) -> Note {
        let signatures = keys
            .iter()
            .map(|key| Signature {
                name: key.verifier().name().to_owned(),
                id: key.verifier().id(),
                bytes: key.sign(text.as_bytes()).to_vec(),
            })
            .collect();
        Note { text, signatures }
    }

    /// Reads a note. Signatures are not checked by that.
    ///
    /// # Errors
    /// When it has not the form of one.
    pub fn parse(note: &str) -> Result<Note, NoteError> {
        // The last empty line: the text may have some of its own.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let signatures = lines
            .split('\n')
            .map(signature)
            .collect::<Option<Vec<_>>>()
            .ok_or(NoteError::Signature)?;
        let note = Note {
            text: format!("{text}\n"),
            signatures,
        };
        Ok(note)
    }

    /// What is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &VerifierKey) -> bool {
        let id = key.id();
        let mut own = self
            .signatures
            .iter()
            .filter(|line| line.name == key.name() && line.id == id);
        own.any(|line| key.verifies(self.text.as_bytes(), &line.bytes))
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    (!name.is_empty()).then(|| Signature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            let encoded = STANDARD.encode([id.as_slice(), bytes].concat());
            writeln!(f, "{DASH}{name} {encoded}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_note_reads_back_and_holds_for_its_key_alone() {
        let (one, other) = (
            SigningKey::random("a").unwrap(),
            SigningKey::random("a").unwrap(),
        );
        let note = Note::sign("origin\n\nwith an empty line\n".to_owned(), &[&one]);
        let read = Note::parse(&note.to_string()).unwrap();
        assert_eq!(read, note);
        assert!(read.is_signed_by(one.verifier()));
        assert!(!read.is_signed_by(other.verifier()));
        let forged = note.to_string().replace("empty", "Empty");
        assert!(!Note::parse(&forged).unwrap().is_signed_by(one.verifier()));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for bad in [
            "",
            "a\n",
            "a\n\n",
            "a\n\nb c AAAA\n",
            "a\n\n\u{2014} b AAA\n",
            "a\n\n\u{2014} b AAAAAA==",
            "a\n\n\u{2014}  AAAAAA==\n",
        ] {
            assert!(Note::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_example_of_gos_note_package_verifies_and_is_signed_alike() {
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let read = Note::parse(note).unwrap();
        assert!(read.is_signed_by(&key.parse().unwrap()));
        let private =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let private = SigningKey::from_text(private).unwrap();
        assert_eq!(private.verifier().to_string(), key);
        let own = Note::sign(read.text().to_owned(), &[&private]);
        assert_eq!(own.to_string(), note, "Ed25519 signatures are repeatable");
    }
}
