//! Decides what the configuration says: reads `weir.toml` and `policy.toml` into checked types and tells every fault at once,
//! with file, line and key.
//!
//! It does not know categories (`weir-policy` compiles rules against the lists), opens no sockets, and creates nothing.

mod check;
mod document;
mod fault;
pub mod keys;
pub mod law;
pub mod lists;
pub mod policy_file;
pub mod reference;
pub mod settings;
mod source;
mod text;
pub mod units;
mod value;
mod words;

use std::path::{Path, PathBuf};

pub use fault::{Fault, Faults};
pub use policy_file::{
    Action, CategoryLimit, ClockTime, ContentKeeping, Day, Group, HostSelector, Otherwise, Period,
    PolicyFile, Profile, Purpose, RuleFile, Term,
};
pub use settings::{
    Bounds, CategoryChoice, Connect, Console, Deadlines, Device, Egress, Http, Line, ListFormat,
    ListSource, Listener, Lists, Log, LogFormat, LogLevel, Login, LoginMode, MandatoryList,
    Missing, Notice, NoticeMode, Origin, Place, PortRange, Records, Refresh, RegisteredNetwork,
    Resolver, Settings, UnknownNetwork, Warn, Witness,
};
pub use text::did_you_mean;

use document::{Document, Report};
use settings::read::Base;
use source::Source;

/// A whole configuration without a fault.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `weir.toml`
    pub settings: Settings,
    /// `policy.toml`
    pub policy: PolicyFile,
    /// The file that was read; `None` for the embedded configuration.
    pub path: Option<PathBuf>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Fault>,
}

/// Reads the configuration: from `path`, else from `config/weir.toml`, else from `/etc/weir/weir.toml`, else the copy inside
/// the program, which takes the policy and the lists inside the program too.
///
/// # Errors
/// Every fault of both files at once.
pub fn load(path: Option<&Path>) -> Result<Loaded, Faults> {
    whole(examine(path))
}

/// Reads the configuration as [`load`] does, and as much of it as can be read where it has faults: a faulty key then has
/// its default. For whoever wants to look further for faults; never to be run with.
///
/// Nothing is given back when a file cannot be read or its syntax is broken: further faults would only be guesses.
pub fn examine(path: Option<&Path>) -> (Option<Loaded>, Faults) {
    let Some(path) = source::find(path) else {
        let settings = source::embedded("weir.toml", source::SETTINGS);
        return assemble(&settings, &Base::Embedded, |_| {
            Ok(source::embedded("policy.toml", source::POLICY))
        });
    };
    let source = match source::open(&path) {
        Ok(source) => source,
        Err(fault) => return (None, Faults(vec![fault])),
    };
    let base = source::base(&path);
    let (mut loaded, faults) = assemble(&source, &base, |settings| source::open(&settings.policy));
    if let Some(loaded) = &mut loaded {
        loaded.path = Some(std::path::absolute(&path).unwrap_or(path));
    }
    (loaded, faults)
}

fn whole((loaded, faults): (Option<Loaded>, Faults)) -> Result<Loaded, Faults> {
    match loaded {
        Some(loaded) if faults.0.is_empty() => Ok(loaded),
        _ => Err(faults),
    }
}

/// The configuration inside the program.
///
/// # Errors
/// None in a released program: a test loads it.
pub fn embedded() -> Result<Loaded, Faults> {
    let settings = source::embedded("weir.toml", source::SETTINGS);
    whole(assemble(&settings, &Base::Embedded, |_| {
        Ok(source::embedded("policy.toml", source::POLICY))
    }))
}

/// Reads a configuration from texts, as [`load`] reads files; `directory` is where relative paths are seen from.
///
/// # Errors
/// Every fault of both texts at once.
pub fn parse(settings: &str, policy: &str, directory: &Path) -> Result<Loaded, Faults> {
    let source = |name: &str, text: &str| Source {
        file: directory.join(name),
        text: text.to_owned(),
    };
    let base = Base::Directory(directory.to_owned());
    whole(assemble(&source("weir.toml", settings), &base, |_| {
        Ok(source("policy.toml", policy))
    }))
}

fn assemble(
    source: &Source,
    base: &Base,
    policy: impl FnOnce(&Settings) -> Result<Source, Fault>,
) -> (Option<Loaded>, Faults) {
    let (settings, mut report) = read_settings(source, base);
    let policy = match policy(&settings) {
        Ok(policy) => Some(read_policy(&policy)),
        Err(fault) => {
            let message = format!("{}: {}", fault.file.display(), fault.message);
            report.fault("policy", message);
            None
        }
    };
    check::settings(&settings, &mut report);
    let Some((policy, mut policy_report)) = policy else {
        return (None, faults([report]));
    };
    check::policy(&policy, &mut policy_report);
    check::together(&settings, &mut report, &policy, &mut policy_report);
    let mut warnings = std::mem::take(&mut report.warnings);
    warnings.append(&mut policy_report.warnings);
    let faults = faults([report, policy_report]);
    // A fault without a key is one of syntax.
    let readable = faults.0.iter().all(|fault| !fault.key.is_empty());
    let loaded = readable.then_some(Loaded {
        settings,
        policy,
        path: None,
        warnings,
    });
    (loaded, faults)
}

fn read_settings(source: &Source, base: &Base) -> (Settings, Report) {
    let document = Document::parse(source.file.clone(), &source.text, keys::SETTINGS);
    let settings = settings::read::settings(&document.root(), base);
    (settings, document.into_report())
}

fn read_policy(source: &Source) -> (PolicyFile, Report) {
    let document = Document::parse(source.file.clone(), &source.text, keys::POLICY);
    let policy = policy_file::read::policy(&document.root(), source.file.clone(), &source.text);
    (policy, document.into_report())
}

fn faults(reports: impl IntoIterator<Item = Report>) -> Faults {
    let sorted = reports.into_iter().flat_map(|mut report| {
        report.faults.sort_by_key(|fault| fault.line);
        report.faults
    });
    Faults(sorted.collect())
}

impl PolicyFile {
    /// Reads a policy alone; what it says of networks and devices is not checked.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn parse(text: &str) -> Result<PolicyFile, Faults> {
        let source = source::embedded("policy.toml", text);
        let (policy, mut report) = read_policy(&source);
        check::policy(&policy, &mut report);
        if report.faults.is_empty() {
            Ok(policy)
        } else {
            Err(faults([report]))
        }
    }
}

#[cfg(test)]
mod tests;
