//! The form of Basic credentials: RFC 7617 §2, in UTF-8 (§2.1).

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Longest field value read, in bytes: room for the longest name and password.
const MAX_FIELD: usize = 1024;
/// Longest claimed name kept for the record, in characters.
const MAX_CLAIMED: usize = 64;

/// Some clients leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A name and a password as sent.
pub(super) struct Credentials {
    text: Vec<u8>,
    colon: usize,
}

impl Credentials {
    /// Reads a field value; `None` when it is not Basic, too long or its name not UTF-8.
    pub(super) fn parse(header: &[u8]) -> Option<Credentials> {
        if header.len() > MAX_FIELD {
            return None;
        }
        let (scheme, token) = header.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let text = BASE64.decode(token.trim_ascii()).ok()?;
        let colon = text.iter().position(|byte| *byte == b':')?;
        std::str::from_utf8(text.get(..colon)?).ok()?;
        Some(Credentials { text, colon })
    }

    /// The whole user-pass; the colon makes it unambiguous.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn user(&self) -> &str {
        let name = self.text.get(..self.colon).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    pub(super) fn password(&self) -> &[u8] {
        self.text.get(self.colon + 1..).unwrap_or_default()
    }

    /// The name for the record: bounded, and unable to forge a line (threat model §6).
    pub(super) fn claimed(&self) -> Option<Arc<str>> {
        let shown = |c: char| {
            if is_safe(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        };
        let name: String = self.user().chars().take(MAX_CLAIMED).map(shown).collect();
        (!name.is_empty()).then(|| name.into())
    }
}

fn is_safe(c: char) -> bool {
    !c.is_control() && !crate::users::is_deceptive(c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn basic(text: &[u8]) -> Vec<u8> {
        format!("Basic {}", BASE64.encode(text)).into_bytes()
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        let credentials = Credentials::parse(&basic(b"anna:a:b:")).unwrap();
        assert_eq!(
            (credentials.user(), credentials.password()),
            ("anna", &b"a:b:"[..])
        );
    }

    #[test]
    fn the_scheme_has_no_case_and_padding_may_be_missing() {
        for header in [
            "basic YTpi",
            "BASIC YTpi",
            "Basic  YTpiYw",
            "Basic YTpiYw==",
        ] {
            assert_eq!(
                Credentials::parse(header.as_bytes()).unwrap().user(),
                "a",
                "{header}"
            );
        }
    }

    #[test]
    fn what_is_not_basic_is_not_read() {
        let long = basic(&[b"a:".as_slice(), &[b'x'; 1024]].concat());
        let cases: &[&[u8]] = &[
            b"",
            b"Basic",
            b"Basic ",
            b"Basic YWJj",
            b"Basic !!!!",
            b"Bearer YTpi",
            b"Basic YTpi YTpi",
            b"\xff\xff\xff\xff\xff\xff\xff",
            &basic(b"\xff\xfe:secret"),
            &long,
        ];
        for header in cases {
            assert!(Credentials::parse(header).is_none(), "{header:?}");
        }
    }

    #[test]
    fn a_claimed_name_is_bounded_and_cannot_forge_a_line() {
        let sent = format!("a\nb\u{202e}{}:secret", "c".repeat(100));
        let claimed = Credentials::parse(&basic(sent.as_bytes()))
            .unwrap()
            .claimed()
            .unwrap();
        assert_eq!(claimed.chars().count(), MAX_CLAIMED);
        assert!(claimed.starts_with("a\u{fffd}b\u{fffd}c"), "{claimed}");
        assert!(
            Credentials::parse(&basic(b":secret"))
                .unwrap()
                .claimed()
                .is_none()
        );
    }
}
