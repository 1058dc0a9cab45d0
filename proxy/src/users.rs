//! Local users: their names, groups and password hashes in `<state>/users.toml`.
//!
//! Decides what a user's entry may look like and how the file changes. Whether a password
//! is right, and how often one may try, is `login`'s business.
//!
//! Passwords are kept as argon2id PHC strings with 19 MiB, two passes and one lane (OWASP
//! Password Storage Cheat Sheet); an entry with other costs stays valid.

pub(crate) mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{ARGON2ID_IDENT, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use weir_config::{Fault, Faults};

/// Longest name of a user or group, in characters.
const MAX_NAME: usize = 64;
/// Longest password, in bytes: bounds what one login attempt makes us hash.
const MAX_PASSWORD: usize = 256;
/// Costs above these would let one entry of the file exhaust the machine: KiB and passes.
const MAX_MEMORY: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;

const HEADER: &str = "\
# Weir's local users. Change them with `weir users`; a running Weir notices by itself.
# Passwords are argon2id hashes: nobody can read them back, a new one can be set.

";

/// One person who can log in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// As recorded and shown; logging in ignores its case.
    pub(crate) name: Arc<str>,
    /// In the order given, without duplicates.
    pub(crate) groups: Vec<Arc<str>>,
    password: Box<str>,
}

impl User {
    /// The PHC string of the password; it never belongs in a log or on a page.
    pub(crate) fn phc(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("User");
        shown
            .field("name", &self.name)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// Every local user, by name without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Users {
    by_name: BTreeMap<String, Arc<User>>,
}

/// Why users could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    /// The file is there and wrong; every fault with its line.
    #[error("{0}")]
    Faults(Faults),
    /// The file cannot be written.
    #[error("{}: {error}; is the state directory writable for this account?", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// A second user of one name.
    #[error("user {0:?} exists already; `weir users password` gives a new password")]
    Exists(String),
    /// A name that nobody has.
    #[error("there is no user {0:?}; `weir users list` shows those there are")]
    Unknown(String),
    /// A name of a user or group that cannot be kept or recorded.
    #[error("{0:?} cannot be a name: {1}")]
    Name(String, &'static str),
    /// A password that cannot be sent by Basic authentication or hashed.
    #[error("this password cannot be used: {0}")]
    Password(&'static str),
}

impl Users {
    /// Reads the file at `path`; a missing file means that there are no users.
    ///
    /// # Errors
    /// Every fault of the file with its line and key.
    pub(crate) fn load(path: &Path) -> Result<Users, Faults> {
        match fs::read_to_string(path) {
            Ok(text) => Users::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Users::default()),
            Err(error) => Err(Faults(vec![fault(path, None, "", error.to_string())])),
        }
    }

    /// The user of this name, whatever its case.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<User>> {
        if name
            .bytes()
            .any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii())
        {
            return self.by_name.get(&key(name));
        }
        self.by_name.get(name)
    }

    /// Every user, by name.
    pub(crate) fn list(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// Adds a person. Hashing the password takes tens of milliseconds.
    ///
    /// # Errors
    /// When the name is taken, or a name or the password is not acceptable.
    pub(crate) fn add(
        &mut self,
        name: &str,
        groups: &[String],
        password: &[u8],
    ) -> Result<(), UsersError> {
        if self.get(name).is_some() {
            return Err(UsersError::Exists(name.to_owned()));
        }
        let user = User {
            name: checked_name(name)?,
            groups: checked_groups(groups)?,
            password: hash(password)?,
        };
        self.by_name.insert(key(name), Arc::new(user));
        Ok(())
    }

    /// Removes a person; what is recorded about them stays.
    ///
    /// # Errors
    /// When nobody has this name.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), UsersError> {
        let gone = self.by_name.remove(&key(name));
        gone.map(drop)
            .ok_or_else(|| UsersError::Unknown(name.to_owned()))
    }

    /// Gives a person a new password; logins with the old one end at once, cached ones too.
    ///
    /// # Errors
    /// When nobody has this name or the password is not acceptable.
    pub(crate) fn set_password(&mut self, name: &str, password: &[u8]) -> Result<(), UsersError> {
        let unknown = || UsersError::Unknown(name.to_owned());
        let entry = self.by_name.get_mut(&key(name)).ok_or_else(unknown)?;
        Arc::make_mut(entry).password = hash(password)?;
        Ok(())
    }

    /// Reads the file, lets `change` work on it and writes it back in one step, under a
    /// lock against other commands.
    ///
    /// # Errors
    /// What the file or `change` finds wrong; the file is then as it was.
    pub(crate) fn edit(
        path: &Path,
        change: impl FnOnce(&mut Users) -> Result<(), UsersError>,
    ) -> Result<(), UsersError> {
        let io = |error| UsersError::Io {
            path: path.to_owned(),
            error,
        };
        let _lock = file::Lock::take(path).map_err(io)?;
        let mut users = Users::load(path).map_err(UsersError::Faults)?;
        change(&mut users)?;
        file::replace(path, users.to_toml().as_bytes(), 0o600).map_err(io)
    }

    fn parse(text: &str, path: &Path) -> Result<Users, Faults> {
        let file: FileEntries = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            Faults(vec![fault(path, line, "user", error.message().to_owned())])
        })?;
        let mut users = Users::default();
        let mut faults = Vec::new();
        for entry in file.user {
            let line = Some(line_of(text, entry.span().start));
            let entry = entry.into_inner();
            let subject = format!("user.{}", entry.name);
            if let Err(message) = users.take(entry) {
                faults.push(fault(path, line, &subject, message));
            }
        }
        if faults.is_empty() {
            Ok(users)
        } else {
            Err(Faults(faults))
        }
    }

    fn take(&mut self, entry: Entry) -> Result<(), String> {
        let name = checked_name(&entry.name).map_err(|error| error.to_string())?;
        let groups = checked_groups(&entry.groups).map_err(|error| error.to_string())?;
        check_phc(&entry.password)?;
        let key = key(&name);
        if self.by_name.contains_key(&key) {
            return Err("a user of this name stands above".to_owned());
        }
        let password = entry.password.into_boxed_str();
        self.by_name.insert(
            key,
            Arc::new(User {
                name,
                groups,
                password,
            }),
        );
        Ok(())
    }

    fn to_toml(&self) -> String {
        let entry = |user: &Arc<User>| Entry {
            name: user.name.to_string(),
            groups: user.groups.iter().map(ToString::to_string).collect(),
            password: user.password.to_string(),
        };
        let written = Written {
            user: self.list().map(entry).collect(),
        };
        let body = toml::to_string(&written).expect("invariant: names and hashes are TOML strings");
        format!("{HEADER}{body}")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntries {
    #[serde(default)]
    user: Vec<Spanned<Entry>>,
}

#[derive(Serialize)]
struct Written {
    user: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    groups: Vec<String>,
    password: String,
}

/// The argon2id context whose costs new hashes and the decoy have.
pub(crate) fn argon2() -> Argon2<'static> {
    // Argon2's defaults are the documented costs; the test `new_hashes_have_the_documented_
    // costs` holds them to it.
    Argon2::from(Params::DEFAULT)
}

/// Whether `password` is the one behind `phc`: one argon2 run, compared in constant time.
pub(crate) fn verify(phc: &str, password: &[u8]) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| argon2().verify_password(password, &hash).is_ok())
}

/// A hash that no password is behind, at the cost of a new user's: what names that nobody
/// has are verified against.
pub(crate) fn decoy() -> Result<String, getrandom::Error> {
    let mut random = [0; 48];
    getrandom::fill(&mut random)?;
    let (salt, output) = random.split_at(16);
    let decoy = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::default().into()),
        params: (&Params::DEFAULT)
            .try_into()
            .expect("invariant: default costs are valid"),
        salt: Some(Salt::new(salt).expect("invariant: 16 bytes are a salt")),
        hash: Some(Output::new(output).expect("invariant: 32 bytes are an output")),
    };
    Ok(decoy.to_string())
}

fn hash(password: &[u8]) -> Result<Box<str>, UsersError> {
    check_password(password).map_err(UsersError::Password)?;
    let hash = argon2().hash_password(password);
    let hash = hash.map_err(|_| UsersError::Password("no randomness or memory to hash it"))?;
    Ok(hash.to_string().into_boxed_str())
}

fn check_password(password: &[u8]) -> Result<(), &'static str> {
    match password.len() {
        0 => return Err("it is empty"),
        length if length > MAX_PASSWORD => return Err("it is longer than 256 bytes"),
        _ => {}
    }
    // RFC 7617 §2: control characters cannot be sent.
    if password.iter().any(u8::is_ascii_control) {
        return Err("it has a control character");
    }
    Ok(())
}

fn check_phc(phc: &str) -> Result<(), String> {
    let hash = PasswordHash::new(phc).map_err(|error| format!("password: {error}"))?;
    if hash.algorithm != ARGON2ID_IDENT || hash.hash.is_none() || hash.salt.is_none() {
        return Err(
            "password: must be an argon2id PHC string; set it with `weir users password`".into(),
        );
    }
    let params = Params::try_from(&hash).map_err(|error| format!("password: {error}"))?;
    if params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_PASSES {
        return Err("password: costs above 256 MiB or 16 passes".into());
    }
    Ok(())
}

fn checked_name(name: &str) -> Result<Arc<str>, UsersError> {
    match name_fault(name) {
        None => Ok(name.into()),
        Some(why) => Err(UsersError::Name(name.to_owned(), why)),
    }
}

fn checked_groups(groups: &[String]) -> Result<Vec<Arc<str>>, UsersError> {
    let mut checked: Vec<Arc<str>> = Vec::with_capacity(groups.len());
    for group in groups {
        let group = checked_name(group)?;
        if !checked.contains(&group) {
            checked.push(group);
        }
    }
    Ok(checked)
}

/// RFC 7617 §2 forbids the colon and control characters; the comma separates groups in the
/// record.
fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.trim() != name {
        return Some("it is empty or has a blank at an end");
    }
    if name.chars().count() > MAX_NAME {
        return Some("it is longer than 64 characters");
    }
    let forbidden =
        |c: char| c.is_control() || matches!(c, ':' | ',' | '"' | '\\') || is_deceptive(c);
    name.contains(forbidden)
        .then_some("it has a colon, comma, quote, backslash or control character")
}

/// Characters that make a name look like another one in a record or on a page.
pub(crate) fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The form in which two spellings of one person's name are the same.
pub(crate) fn key(name: &str) -> String {
    name.to_lowercase()
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn fault(path: &Path, line: Option<usize>, key: &str, message: String) -> Fault {
    Fault {
        file: path.to_owned(),
        line,
        key: key.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
