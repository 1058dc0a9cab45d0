//! Small files under a data key: secrets of salts, filters of hosts.
//!
//! ```text
//! weir-sealed-1 <name of the key>\n ‖ nonce[12] ‖ ciphertext ‖ tag[16]      AES-256-GCM
//! ```
//! The associated data are that line and the name of the file, so that no file can be put in the place of another.

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use super::KeyError;
use super::kek::random;

const MAGIC: &str = "weir-sealed-1 ";

/// The bytes of a sealed file.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn seal(
    key: &LessSafeKey,
    key_name: &str,
    what: &str,
    plain: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let nonce = random::<NONCE_LEN>()?;
    let head = format!("{MAGIC}{key_name}\n");
    let mut bytes = head.clone().into_bytes();
    bytes.extend_from_slice(nonce.as_slice());
    let begin = bytes.len();
    bytes.extend_from_slice(plain);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(about(&head, what)),
            bytes.get_mut(begin..).unwrap_or_default(),
        )
        .map_err(|_| KeyError::NoRandomness)?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(bytes)
}

/// The name of the key that a sealed file needs; None when it is no sealed file.
pub(crate) fn is_sealed(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

/// What was sealed.
///
/// # Errors
/// When it was altered, or is of another file or key.
pub(crate) fn open(
    key: &LessSafeKey,
    what: &str,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let altered = || KeyError::Altered {
        what: what.to_owned(),
    };
    let name = is_sealed(bytes).ok_or_else(altered)?;
    let head = format!("{MAGIC}{name}\n");
    let (nonce, sealed) = bytes
        .get(head.len()..)
        .and_then(|rest| rest.split_at_checked(NONCE_LEN))
        .ok_or_else(altered)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| altered())?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(about(&head, what)), &mut sealed)
        .map_err(|_| altered())?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

fn about(head: &str, what: &str) -> Vec<u8> {
    format!("{head}{what}").into_bytes()
}
