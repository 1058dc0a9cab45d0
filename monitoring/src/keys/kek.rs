//! The key-encryption key: where it comes from, and what is wrapped under it.
//!
//! ```text
//! weir-wrapped-1 <number> <base64 of nonce[12] ‖ ciphertext ‖ tag[16]>      AES-256-GCM
//! ```
//! The associated data name what is wrapped (`weir-wrapped-1`, line end, its name), so that no wrapped key can be put in the
//! place of another. The number is the first eight bytes of SHA-256 over `weir-kek-1` and the key: it tells keys apart and says
//! nothing of them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::KeyError;
use crate::proof::sidecar;

const MAGIC: &str = "weir-wrapped-1";

/// Where the key-encryption key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KekSource {
    /// A file that somebody else provides.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A credential of systemd, in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file that Weir makes when there is none: it lies where the records lie, so whoever copies the disk has both.
    Own(PathBuf),
}

impl KekSource {
    /// The key file that Weir makes for a records directory: beside it, with the ending `.kek`.
    pub fn beside(records: &Path) -> KekSource {
        let mut name = records.as_os_str().to_owned();
        name.push(".kek");
        KekSource::Own(PathBuf::from(name))
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let unreadable = |why: String| KeyError::Unreadable {
            source_name: self.to_string(),
            why,
        };
        let of_file = |path: &Path| {
            let read = fs::read(path).map(Zeroizing::new);
            read.map_err(|error| unreadable(format!("{}: {error}", path.display())))
        };
        match self {
            KekSource::File(path) | KekSource::Own(path) => of_file(path),
            KekSource::Env(name) => {
                let value = std::env::var(name);
                let value = value.map_err(|error| unreadable(error.to_string()))?;
                Ok(Zeroizing::new(value.into_bytes()))
            }
            KekSource::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
                Some(directory) => of_file(&Path::new(&directory).join(name)),
                None => Err(unreadable(
                    "CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=".to_owned(),
                )),
            },
        }
    }
}

impl fmt::Display for KekSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KekSource::File(path) | KekSource::Own(path) => write!(f, "file:{}", path.display()),
            KekSource::Env(name) => write!(f, "env:{name}"),
            KekSource::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

impl FromStr for KekSource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<KekSource, KeyError> {
        let unknown = || KeyError::Source {
            given: text.to_owned(),
        };
        let (kind, name) = text.split_once(':').ok_or_else(unknown)?;
        let is_plain = !name.is_empty() && !name.contains(['/', '\0', '=']);
        match kind {
            "file" if !name.is_empty() => Ok(KekSource::File(PathBuf::from(name))),
            "env" if is_plain => Ok(KekSource::Env(name.to_owned())),
            "credential" if is_plain => Ok(KekSource::Credential(name.to_owned())),
            _ => Err(unknown()),
        }
    }
}

/// A key-encryption key. Shows nothing of itself but its number.
pub(crate) struct Kek {
    key: LessSafeKey,
    number: String,
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kek({})", self.number)
    }
}

impl Kek {
    /// Reads the key.
    ///
    /// # Errors
    /// When it is not there or no key.
    pub(crate) fn load(source: &KekSource) -> Result<Kek, KeyError> {
        let bytes = source.read()?;
        let form = || KeyError::Form {
            source_name: source.to_string(),
        };
        let key = parse(&bytes).ok_or_else(form)?;
        Kek::new(&key)
    }

    /// Makes a new key file that only Weir's account may read, and reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn make(path: &Path) -> Result<Kek, KeyError> {
        let key = random()?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.as_slice())));
        let beside = path.with_extension("kek-tmp");
        sidecar::write(&beside, text.as_bytes())
            .and_then(|()| fs::rename(&beside, path))
            .and_then(|()| path.parent().map_or(Ok(()), crate::paths::sync_directory))
            .map_err(|error| KeyError::file(path, error))?;
        Kek::new(&key)
    }

    pub(crate) fn new(key: &[u8; 32]) -> Result<Kek, KeyError> {
        let mut hash = Sha256::new();
        hash.update(b"weir-kek-1");
        hash.update(key);
        let number = hash.finalize();
        let number = number.iter().take(8).map(|byte| format!("{byte:02x}"));
        Ok(Kek {
            key: aead(key)?,
            number: number.collect(),
        })
    }

    /// Tells keys apart; says nothing of the key.
    pub(crate) fn number(&self) -> &str {
        &self.number
    }

    /// The text form of something secret under this key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn wrap(&self, what: &str, secret: &[u8]) -> Result<String, KeyError> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + secret.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(secret);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(about(what)),
                &mut sealed,
            )
            .map_err(|_| KeyError::NoRandomness)?;
        let bytes = [nonce.as_slice(), &sealed, tag.as_ref()].concat();
        Ok(format!(
            "{MAGIC} {} {}\n",
            self.number,
            STANDARD.encode(bytes)
        ))
    }

    /// What was wrapped.
    ///
    /// # Errors
    /// When the text is of another key, or was altered, or is of something else than `what`.
    pub(crate) fn unwrap(&self, what: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let altered = || KeyError::Altered {
            what: what.to_owned(),
        };
        let (number, encoded) = parts(text).ok_or_else(altered)?;
        if number != self.number {
            return Err(KeyError::Other {
                source_name: what.to_owned(),
                found: self.number.clone(),
                wanted: number.to_owned(),
            });
        }
        let mut bytes = STANDARD.decode(encoded).map_err(|_| altered())?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(altered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| altered())?;
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(about(what)), sealed)
            .map_err(|_| altered())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }

    /// What was wrapped into a file; None when there is no such file.
    ///
    /// # Errors
    /// As [`Kek::unwrap`], or when the file cannot be read.
    pub(crate) fn unwrap_file(
        &self,
        path: &Path,
        what: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KeyError::file(path, error)),
        };
        match self.unwrap(what, &text) {
            Ok(secret) => Ok(Some(secret)),
            Err(KeyError::Other { .. }) => Err(KeyError::Interrupted {
                path: path.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }
}

/// Whether a text has the form of something wrapped, under whatever key.
pub(crate) fn is_wrapped(text: &str) -> bool {
    let decoded = parts(text).and_then(|(_, encoded)| STANDARD.decode(encoded).ok());
    decoded.is_some_and(|bytes| bytes.len() > NONCE_LEN + AES_256_GCM.tag_len())
}

/// Number and base64 of a wrapped text.
pub(super) fn parts(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix(MAGIC)?.strip_prefix(' ')?;
    rest.strip_suffix('\n')?.split_once(' ')
}

fn about(what: &str) -> Vec<u8> {
    format!("{MAGIC}\n{what}").into_bytes()
}

/// A key for AES-256-GCM.
pub(super) fn aead(key: &[u8; 32]) -> Result<LessSafeKey, KeyError> {
    // AES-256 takes any 32 bytes.
    let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| KeyError::NoRandomness)?;
    Ok(LessSafeKey::new(unbound))
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new()
        .fill(bytes.as_mut_slice())
        .map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// A key as files hold it: 32 bytes, base64, or hexadecimal digits.
fn parse(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let decoded = if text.len() == 64 {
        let digits = (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok());
        Zeroizing::new(digits.collect::<Option<Vec<u8>>>()?)
    } else {
        Zeroizing::new(STANDARD.decode(text).ok()?)
    };
    let key: [u8; 32] = decoded.as_slice().try_into().ok()?;
    Some(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_from_file_and_credential_in_each_form_and_nothing_else_is_a_key_lm_16() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kek");
        let raw: Vec<u8> = (0..32).collect();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        let base64 = format!("{}\n", STANDARD.encode(&raw));
        let mut numbers = std::collections::BTreeSet::new();
        for content in [raw.clone(), hex.into_bytes(), base64.into_bytes()] {
            fs::write(&path, &content).unwrap();
            let kek = Kek::load(&KekSource::File(path.clone())).unwrap();
            numbers.insert(kek.number().to_owned());
        }
        assert_eq!(numbers.len(), 1);
        for bad in [&b""[..], b"short", &[7; 31], b"zz"] {
            fs::write(&path, bad).unwrap();
            let error = Kek::load(&KekSource::File(path.clone())).unwrap_err();
            assert!(error.to_string().contains("holds no key"), "{error}");
        }
        let gone = KekSource::Env("WEIR_TEST_NO_SUCH_VARIABLE".to_owned());
        let error = Kek::load(&gone).unwrap_err().to_string();
        assert!(error.contains("env:WEIR_TEST_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn a_source_reads_back_from_its_text_and_nothing_else_is_one() {
        for text in ["file:/etc/weir/kek", "env:WEIR_KEK", "credential:weir-kek"] {
            assert_eq!(text.parse::<KekSource>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "file:",
            "env:",
            "/etc/kek",
            "http://kek",
            "credential:../x",
        ] {
            assert!(bad.parse::<KekSource>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrapped_key_opens_in_its_own_place_under_its_own_key_only_lm_16() {
        let kek = Kek::new(&[1; 32]).unwrap();
        let text = kek
            .wrap("key default/2026-11-26.event.1", b"secret")
            .unwrap();
        let what = "key default/2026-11-26.event.1";
        assert_eq!(kek.unwrap(what, &text).unwrap().as_slice(), b"secret");
        for moved in [
            "key default/2026-11-27.event.1",
            "key default/2026-11-26.content.1",
            "key other/2026-11-26.event.1",
        ] {
            assert!(matches!(
                kek.unwrap(moved, &text),
                Err(KeyError::Altered { .. })
            ));
        }
        let other = Kek::new(&[2; 32]).unwrap();
        assert!(matches!(
            other.unwrap(what, &text),
            Err(KeyError::Other { .. })
        ));
        let shown = format!("{kek:?}");
        assert!(
            !shown.contains(&STANDARD.encode([1; 32])) && !shown.contains("[1"),
            "{shown}"
        );
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            assert!(kek.unwrap(what, &changed).is_err(), "{changed}");
        }
    }
}
