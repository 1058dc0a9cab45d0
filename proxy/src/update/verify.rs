//! Decides whether what came is what its maker meant: by a digest that is configured or lies beside, or by a signature of
//! minisign.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use minisign_verify::{Error, PublicKey, Signature};

use super::fault::Fault;

/// Bytes read at a time.
const PART: usize = 256 * 1024;

/// Whether the digest is the one it must be.
pub(super) fn digest(found: &str, expected: &str) -> Result<(), Fault> {
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Fault::Digest {
        found: found.to_owned(),
        expected: expected.to_owned(),
    })
}

/// The digest of `name` in the text of a digest file: a line of `sha256sum`, of BSD's `sha256`, or nothing but the digest.
pub(super) fn digest_of(text: &str, name: &str) -> Option<String> {
    let mut alone = Vec::new();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found = match words.as_slice() {
            [digest] => (*digest, None),
            [digest, file] => (*digest, Some(*file)),
            ["SHA256", file, "=", digest] => (*digest, Some(*file)),
            _ => continue,
        };
        let (digest, file) = found;
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        let plain = |file: &str| {
            let file = file.trim_matches(['(', ')']).trim_start_matches('*');
            file.rsplit('/').next() == Some(name)
        };
        if file.is_some_and(plain) {
            return Some(digest.to_ascii_lowercase());
        }
        alone.push(digest.to_ascii_lowercase());
    }
    // Of one line alone the name does not matter: mirrors rename.
    match alone.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether `key` has signed the file. The file is read in parts: such signatures are of its hash, which is
/// how minisign makes them since version 0.10. Gives the time of signing, in seconds since 1970, where the signature says it.
pub(super) fn signature(path: &Path, key: &str, signature: &str) -> Result<Option<u64>, Fault> {
    let key = PublicKey::from_base64(key).map_err(Fault::Signature)?;
    let signature = Signature::decode(signature).map_err(Fault::Signature)?;
    let mut verifier = key.verify_stream(&signature).map_err(Fault::Signature)?;
    let mut file = File::open(path)?;
    let mut part = vec![0; PART];
    loop {
        let count = file.read(&mut part)?;
        match part.get(..count) {
            None | Some([]) => break,
            Some(read) => verifier.update(read),
        }
    }
    verifier
        .finalize()
        .map_err(|error: Error| Fault::Signature(error))?;
    Ok(signed_at(signature.trusted_comment()))
}

/// The time in a trusted comment, as minisign writes it; the signature covers it.
fn signed_at(comment: &str) -> Option<u64> {
    let mut words = comment.split_ascii_whitespace();
    words.find_map(|word| word.strip_prefix("timestamp:")?.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    #[test]
    fn a_digest_file_is_read_as_the_common_tools_write_it() {
        let b = B.to_lowercase();
        let cases = [
            (format!("{A}\n"), Some(A)),
            (format!("{A}  other.tar.gz\n"), Some(A)),
            (format!("{A}  other\n{B} *lists/ut1.tar.gz\n"), Some(&*b)),
            (
                format!("SHA256 (ut1.tar.gz) = {B}\nSHA256 (x) = {A}\n"),
                Some(&*b),
            ),
            (format!("{A}  one\n{B}  two\n"), None),
            ("no digest here\n".to_owned(), None),
            (format!("{}\n", &A[1..]), None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                digest_of(&text, "ut1.tar.gz").as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_digest_fits_whatever_its_case() {
        assert!(digest(&B.to_lowercase(), B).is_ok());
        let told = digest(A, B).unwrap_err().to_string();
        assert!(told.contains(A) && told.contains(B), "{told}");
    }

    #[test]
    fn the_time_of_signing_is_read_where_there_is_one() {
        let cases = [
            ("timestamp:15\tfile:x\thashed", Some(15)),
            ("list of May timestamp:16", Some(16)),
            ("timestamp:yesterday", None),
            ("", None),
        ];
        for (comment, expected) in cases {
            assert_eq!(signed_at(comment), expected, "{comment}");
        }
    }

    /// The example of minisign's own documentation, and what is wrong with it after one change.
    #[test]
    fn a_signature_fits_its_file_and_no_other() {
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        let signed = "untrusted comment: signature from minisign secret key\n\
            RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
            trusted comment: timestamp:1556193335\tfile:test\n\
            y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test");
        std::fs::write(&path, "test").unwrap();
        assert_eq!(signature(&path, key, signed).unwrap(), Some(1_556_193_335));
        std::fs::write(&path, "Test").unwrap();
        assert!(matches!(
            signature(&path, key, signed),
            Err(Fault::Signature(_))
        ));
        std::fs::write(&path, "test").unwrap();
        let retold = signed.replace("1556193335", "1556193336");
        assert!(signature(&path, key, &retold).is_err());
        assert!(signature(&path, key, "no signature").is_err());
        assert!(signature(&path, "RWno", signed).is_err());
    }
}
