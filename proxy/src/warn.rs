//! Warnings that were read and clicked through.
//!
//! Decides whether a person may go on after a warning: only by a click on the page that
//! was made for them, for one host and one rule, for the configured time. The click's
//! token is a MAC, so that nothing need be kept for pages that nobody clicks.

use dashmap::DashMap;
use ring::hmac;
use ring::rand::SystemRandom;
use std::time::{Duration, Instant};

/// Path under which a click arrives, on whatever host the warning was about.
pub(crate) const CONTINUE_PATH: &str = "/.well-known/weir/continue";
/// Most bytes of the posted form.
pub(crate) const FORM_BOUND: usize = 16 * 1024;
/// Clicks that are looked at when one must make room.
const FEW: usize = 16;
/// How long a warning page stays clickable.
const PAGE_LIFE: Duration = Duration::from_secs(3600);

/// Who was warned about what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warned<'a> {
    /// The person's, device's or address's fairness key.
    pub(crate) who: &'a str,
    pub(crate) host: &'a str,
    pub(crate) rule: &'a str,
}

/// The clicks still in force. Bounded: when full, some other click makes room, and whoever made
/// that is asked once more; so nobody who clicks a great deal keeps others from clicking.
pub(crate) struct Acknowledgements {
    key: hmac::Key,
    clicks: DashMap<[u8; 16], Instant>,
    most: usize,
    started: Instant,
}

impl Acknowledgements {
    /// Remembers at most `most` clicks, under a key of this process alone.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new(most: usize) -> Result<Acknowledgements, ring::error::Unspecified> {
        Ok(Acknowledgements {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            clicks: DashMap::new(),
            most,
            started: Instant::now(),
        })
    }

    /// The token for a warning page that leads to `to`.
    pub(crate) fn token(&self, warned: Warned<'_>, to: &str) -> String {
        let until = (self.started.elapsed() + PAGE_LIFE).as_secs();
        format!("{until:x}.{}", hex(self.mac(warned, to, until).as_ref()))
    }

    /// Remembers a click, if the token was made for exactly this warning and address.
    pub(crate) fn accept(
        &self,
        warned: Warned<'_>,
        to: &str,
        token: &str,
        lifetime: Duration,
    ) -> bool {
        if !self.is_genuine(warned, to, token) {
            return false;
        }
        let now = Instant::now();
        let digest = self.digest(warned);
        if self.clicks.len() >= self.most && !self.clicks.contains_key(&digest) {
            self.make_room(now);
        }
        self.clicks.insert(digest, now + lifetime);
        true
    }

    /// Takes a token once: true when it is genuine and was not taken before. Bounded as clicks are, so a token that many others
    /// displaced could be taken again while its page lives.
    pub(crate) fn spend(&self, warned: Warned<'_>, to: &str, token: &str) -> bool {
        let mac = token.split_once('.').and_then(|(_, mac)| unhex(mac));
        let Some(digest) = mac.as_deref().and_then(<[u8]>::first_chunk) else {
            return false;
        };
        if !self.is_genuine(warned, to, token) {
            return false;
        }
        let now = Instant::now();
        if self.clicks.len() >= self.most && !self.clicks.contains_key(digest) {
            self.make_room(now);
        }
        let before = self.clicks.insert(*digest, now + PAGE_LIFE);
        before.is_none_or(|until| until <= now)
    }

    /// Drops an expired click of a few, else one of them: never looks through all, which many clicks would make dear.
    fn make_room(&self, now: Instant) {
        let few: Vec<([u8; 16], Instant)> = self
            .clicks
            .iter()
            .take(FEW)
            .map(|click| (*click.key(), *click.value()))
            .collect();
        let expired = few.iter().find(|(_, until)| *until <= now);
        if let Some((other, _)) = expired.or(few.first()) {
            self.clicks.remove(other);
        }
    }

    /// Whether the token was made by this process for exactly this page and address, not too long ago.
    pub(crate) fn is_genuine(&self, warned: Warned<'_>, to: &str, token: &str) -> bool {
        let Some((until, mac)) = token.split_once('.') else {
            return false;
        };
        let Ok(until) = u64::from_str_radix(until, 16) else {
            return false;
        };
        let Some(mac) = unhex(mac) else { return false };
        let parts = parts(warned, to, until);
        until >= self.started.elapsed().as_secs() && hmac::verify(&self.key, &parts, &mac).is_ok()
    }

    /// Whether a click for this warning is in force.
    pub(crate) fn holds(&self, warned: Warned<'_>) -> bool {
        self.clicks
            .get(&self.digest(warned))
            .is_some_and(|until| *until > Instant::now())
    }

    fn mac(&self, warned: Warned<'_>, to: &str, until: u64) -> hmac::Tag {
        hmac::sign(&self.key, &parts(warned, to, until))
    }

    fn digest(&self, warned: Warned<'_>) -> [u8; 16] {
        let tag = self.mac(warned, "", 0);
        let mut digest = [0; 16];
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }
}

/// Length before each part, so that no two lists of parts look alike.
fn parts(warned: Warned<'_>, to: &str, until: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + to.len());
    for part in [warned.who, warned.host, warned.rule, to] {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(&until.to_be_bytes());
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

/// One field of a posted form (application/x-www-form-urlencoded), decoded.
pub(crate) fn form_field(body: &[u8], name: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| decoded(key).as_deref() == Some(name))
        .and_then(|(_, value)| decoded(value))
}

/// A value as one field of a form or query carries it.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WARNED: Warned<'static> = Warned {
        who: "user:anna",
        host: "files.example",
        rule: "software-staff",
    };

    #[test]
    fn a_click_counts_for_its_person_host_rule_and_address_only() {
        let clicks = Acknowledgements::new(10).unwrap();
        let token = clicks.token(WARNED, "http://files.example/a");
        let life = Duration::from_secs(60);
        assert!(!clicks.holds(WARNED));
        assert!(!clicks.accept(WARNED, "http://files.example/b", &token, life));
        let other = Warned {
            who: "user:ben",
            ..WARNED
        };
        assert!(!clicks.accept(other, "http://files.example/a", &token, life));
        assert!(clicks.accept(WARNED, "http://files.example/a", &token, life));
        assert!(clicks.holds(WARNED));
        assert!(!clicks.holds(other));
        assert!(!clicks.holds(Warned {
            rule: "another",
            ..WARNED
        }));
    }

    #[test]
    fn a_click_expires() {
        let clicks = Acknowledgements::new(10).unwrap();
        let token = clicks.token(WARNED, "x");
        assert!(clicks.accept(WARNED, "x", &token, Duration::ZERO));
        assert!(!clicks.holds(WARNED));
    }

    #[test]
    fn a_token_that_is_spent_is_taken_once() {
        let clicks = Acknowledgements::new(10).unwrap();
        let (one, other) = (clicks.token(WARNED, "x"), clicks.token(WARNED, "y"));
        assert!(!clicks.spend(WARNED, "y", &one) && !clicks.spend(WARNED, "x", "ffff.00"));
        assert!(clicks.spend(WARNED, "x", &one));
        assert!(!clicks.spend(WARNED, "x", &one));
        assert!(clicks.spend(WARNED, "y", &other));
    }

    #[test]
    fn an_invented_token_is_refused() {
        let clicks = Acknowledgements::new(10).unwrap();
        for token in [
            "",
            ".",
            "ffff.",
            "ffff.00",
            "zz.00",
            "ffffffffffffffffff.00",
            "ff.\u{e9}",
        ] {
            assert!(
                !clicks.accept(WARNED, "x", token, Duration::from_secs(1)),
                "{token}"
            );
        }
    }

    #[test]
    fn remembered_clicks_are_bounded_and_many_of_one_person_keep_nobody_else_out() {
        let clicks = Acknowledgements::new(2).unwrap();
        let accept = |host| {
            let warned = Warned { host, ..WARNED };
            clicks.accept(
                warned,
                "x",
                &clicks.token(warned, "x"),
                Duration::from_secs(60),
            )
        };
        let holds = |host| clicks.holds(Warned { host, ..WARNED });
        for host in ["a.example", "b.example", "c.example", "d.example"] {
            assert!(
                accept(host) && holds(host),
                "{host}: whoever clicked last goes on"
            );
            assert!(clicks.clicks.len() <= 2);
        }
    }

    #[test]
    fn a_form_field_is_decoded_and_bad_encoding_refused() {
        assert_eq!(
            form_field(b"a=1&to=http%3A%2F%2Fx%2F+y", "to").unwrap(),
            "http://x/ y"
        );
        assert_eq!(form_field(b"%74%6f=x", "to").unwrap(), "x");
        let text = "http://x/?a=b&c=d+e%20\u{e9}";
        let query = format!("to={}&by=1", encoded(text));
        assert_eq!(form_field(query.as_bytes(), "to").unwrap(), text);
        assert_eq!(form_field(b"to=%zz", "to"), None);
        assert_eq!(form_field(b"to=%2", "to"), None);
        assert_eq!(form_field(b"x=1", "to"), None);
    }
}
