//! Parts of an address that are a secret by their look: tokens, session ids and keys that services put into paths (LM-10).
//!
//! Decides by form alone, since nobody says which part is one: what is long and looks drawn at random, what begins as keys of
//! well-known services do, and what stands behind a name such as `token`. Errs towards leaving out: a record that lacks a
//! part of a path still says where somebody was.

/// Names behind which a secret stands.
const NAMES: &[&str] = &[
    "access-token",
    "access_key",
    "access_token",
    "accesskey",
    "accesstoken",
    "api-key",
    "api-token",
    "api_key",
    "api_token",
    "apikey",
    "apitoken",
    "auth",
    "auth-token",
    "auth_token",
    "authorization",
    "authtoken",
    "bearer",
    "client-secret",
    "client_secret",
    "clientsecret",
    "code",
    "cookie",
    "credential",
    "csrf",
    "csrf_token",
    "csrftoken",
    "id-token",
    "id_token",
    "jsessionid",
    "jwt",
    "key",
    "login_token",
    "magic-link",
    "magic_link",
    "magiclink",
    "otp",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "password-reset",
    "password_reset",
    "passwordreset",
    "phpsessid",
    "pin",
    "private_key",
    "privatekey",
    "psw",
    "pswd",
    "pw",
    "pwd",
    "refresh-token",
    "refresh_token",
    "reset-password",
    "reset_password",
    "resetpassword",
    "secret",
    "secret-key",
    "secret_key",
    "secretkey",
    "sessid",
    "session",
    "session-id",
    "session-token",
    "session_id",
    "session_token",
    "sessionid",
    "sessiontoken",
    "sid",
    "sig",
    "signature",
    "ticket",
    "token",
    "xsrf",
    "xsrf_token",
];
/// Beginnings of keys of well-known services.
const BEGINNINGS: &[&str] = &[
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "pk_live_",
    "rk_live_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xoxb-",
    "xoxp-",
    "ya29.",
];
/// A run of letters and digits of this length that has both is no word.
const RANDOM: usize = 20;
/// One that changes between capitals, small letters and digits so often is none either.
const SHORT_RANDOM: usize = 14;

/// Endings of names that people make up: `new_password`, `x-api-key`.
const ENDINGS: &[&str] = &[
    "api-key",
    "api_key",
    "apikey",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "sessionid",
    "token",
];

/// Names that, as parts of a path, as often announce something else: `/code/python`, `/pin/123`.
const AMBIGUOUS: &[&str] = &[
    "auth", "code", "cookie", "key", "pass", "pin", "sid", "sig", "ticket",
];
/// Those that before a colon announce a page as often: `/wiki/Key:Building`.
const TITLES: &[&str] = &["auth", "code", "cookie", "key", "ticket"];

/// Whether the name of a value (`name=value`) says that the value is a secret. What stands around it, such as quotes, does not count.
pub(crate) fn names_secret(name: &str) -> bool {
    let name = bare(name);
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    NAMES.contains(&&*name)
        || (ENDINGS.iter().any(|ending| name.ends_with(ending)) && name.chars().all(is_word))
}

/// Whether the name of a value behind a colon (`name:value`) says that the value is a secret.
pub(crate) fn pairs_secret(name: &str) -> bool {
    names_secret(name) && !TITLES.contains(&&*bare(name))
}

/// Whether a part of a path says that the part behind it is a secret (`/token/...`).
pub(crate) fn announces_secret(part: &str) -> bool {
    names_secret(part) && !AMBIGUOUS.contains(&&*bare(part))
}

fn bare(name: &str) -> String {
    let quotes = ['"', '\'', '{', '}', '[', ']', '(', ')', ' '];
    name.trim().trim_matches(quotes).to_ascii_lowercase()
}

/// Whether a part of a path, or a word of a search, is a secret by its look.
pub(crate) fn looks_secret(part: &str) -> bool {
    let begins = |start: &str| part.len() > start.len() + 8 && part.starts_with(start);
    BEGINNINGS.iter().any(|start| begins(start))
        || is_uuid(part)
        || part
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(looks_random)
}

fn looks_random(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let capitals = run.bytes().filter(u8::is_ascii_uppercase).count();
    let small = run.len() - digits - capitals;
    let is_mixed = digits > 0 && (capitals > 0 || small > 0);
    // Long numbers are ids of articles; with letters among them they are keys.
    (run.len() >= RANDOM && is_mixed && digits >= 2)
        || (run.len() >= SHORT_RANDOM && digits >= 2 && capitals >= 2 && small >= 2)
}

/// 8-4-4-4-12 hexadecimal digits, anywhere in the part.
fn is_uuid(part: &str) -> bool {
    let runs: Vec<&str> = part.split('-').collect();
    let is_hex = |run: &str| run.bytes().all(|byte| byte.is_ascii_hexdigit());
    runs.windows(5).any(|five| match five {
        [a, b, c, d, e] => {
            let inner = [b, c, d].iter().all(|run| run.len() == 4 && is_hex(run));
            let first = a.get(a.len().saturating_sub(8)..).unwrap_or_default();
            let last = e.get(..12).unwrap_or_default();
            inner && first.len() == 8 && is_hex(first) && last.len() == 12 && is_hex(last)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_session_ids_and_keys_are_known_by_their_look_and_words_are_left_lm_10() {
        for secret in [
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "xoxb-17653672481-19874698323",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "d41d8cd98f00b204e9800998ecf8427e",
            "bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "Tr0ub4dor3XyZq9",
        ] {
            assert!(looks_secret(secret), "{secret}");
        }
        for word in [
            "roulette",
            "the-2026-guide-to-black-holes-and-revelations",
            "Donaudampfschifffahrtsgesellschaft",
            "20260914123456789012345",
            "dQw4w9WgXcQ",
            "index_2026.html",
            "app.3f2a9c1d.js",
            "IMG_20260914_123456.jpg",
            "",
        ] {
            assert!(!looks_secret(word), "{word}");
        }
        assert!(announces_secret("Token") && !announces_secret("pin"));
        assert!(announces_secret("forgot-password") && !announces_secret("pass"));
        assert!(pairs_secret("PW") && pairs_secret("pass") && !pairs_secret("Key"));
        assert!(names_secret("{\"new_password\"") && !names_secret("design-tokens"));
        assert!(names_secret("Token") && names_secret("API_KEY") && !names_secret("page"));
    }
}
