//! What "current" means: settings, policy, lists and users, checked together and swapped
//! as one. A request loads it once and keeps it to its end.
//!
//! Decides nothing about requests; building one fails whole or succeeds whole.

use crate::dial::Egress;
use crate::held::Filled;
use crate::titles::Titles;
use crate::users::Users;
use dashmap::DashMap;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use weir_categories::lock::Reading;
use weir_categories::sealed::Sealed;
use weir_categories::{CategoryId, CategorySet, Index, Report};
use weir_config::{Fault, Faults, Loaded, PolicyFile, Settings};
use weir_policy::Policy;

/// Combinations of categories whose names are kept joined; beyond, they are joined anew.
const JOINED: usize = 8192;
/// Methods that need no allocation.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
];

/// Everything a decision depends on.
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    pub(crate) policy_file: PolicyFile,
    pub(crate) policy: Policy,
    pub(crate) index: Arc<Index>,
    /// The mandatory lists, which are asked before everything else (AF-01).
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) users: Arc<Users>,
    /// What the lists were made of, to notice one that is cut off, and what was wrong with them.
    pub(crate) filled: Arc<Filled>,
    pub(crate) egress: Egress,
    /// Changes when the egress rules do: pooled connections were checked under one of them.
    pub(crate) egress_version: u64,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) policy_version: Arc<str>,
    pub(crate) lists_version: Arc<str>,
    /// The rule name recorded where no rule matched.
    pub(crate) otherwise: Arc<str>,
    pub(crate) refuses_unrecorded: bool,
    titles: Titles,
    methods: HashMap<&'static str, Arc<str>>,
    joined: DashMap<CategorySet, Arc<str>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("policy_version", &self.policy_version)
            .field("lists_version", &self.lists_version)
            .finish_non_exhaustive()
    }
}

/// The sources a running Weir answers from: the lists people edit, then every import.
///
/// # Errors
/// A directory that the configuration names and that cannot be read.
pub(crate) fn sources(settings: &Settings) -> Result<Vec<weir_categories::Source>, Faults> {
    let mut sources = Vec::new();
    if settings.lists.embedded {
        sources.push(weir_categories::embedded());
    }
    for directory in &settings.lists.directories {
        sources.push(weir_categories::Source::directory(
            source_name(directory),
            directory,
        ));
    }
    let imported = weir_config::lists::imported(settings);
    let found = weir_categories::Source::imported(&imported)
        .map_err(|error| unreadable(&imported, &error))?;
    sources.extend(found);
    Ok(sources)
}

/// What a directory of lists that people edit is called.
pub(crate) fn source_name(directory: &Path) -> String {
    directory.file_name().map_or_else(
        || "local".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Faults {
    Faults(vec![Fault {
        file: path.to_owned(),
        line: None,
        key: "lists".to_owned(),
        message: format!("the lists cannot be read: {error}"),
    }])
}

/// Opens the compiled lists if they are current, else compiles and keeps them. `last` is the
/// index in force: what did not change is shared with it.
///
/// # Errors
/// The source that could not be read whole. Faulty lines are no error: they are in the report.
pub(crate) fn build_index(
    settings: &Settings,
    last: Option<&Index>,
) -> Result<(Arc<Index>, Report), Faults> {
    let sources = sources(settings)?;
    let _still = still(&sources)?;
    let place = weir_config::lists::compiled(settings);
    let built = weir_categories::open(&place, &sources, last, &mut |_| {})
        .map_err(|error| unreadable(Path::new("lists"), &error))?;
    // This thread lives on, and keeps what it freed.
    crate::memory::give_back();
    if let Some(warning) = &built.warning {
        tracing::warn!("{warning}");
    }
    Ok((Arc::new(built.index), built.report))
}

/// Keeps edits of the directories waiting while they are read.
fn still(sources: &[weir_categories::Source]) -> Result<Vec<Reading>, Faults> {
    let mut held = Vec::new();
    for source in sources {
        if let weir_categories::Root::Directory(directory) = &source.root {
            let reading =
                Reading::wait(directory).map_err(|error| unreadable(directory, &error))?;
            held.extend(reading);
        }
    }
    Ok(held)
}

impl Snapshot {
    /// Builds a snapshot around lists that are compiled already.
    ///
    /// # Errors
    /// Every fault of policy, users and trusted roots at once.
    pub(crate) fn build(
        loaded: Loaded,
        index: Arc<Index>,
        users: Arc<Users>,
        sealed: Arc<Sealed>,
    ) -> Result<Snapshot, Faults> {
        let Loaded {
            settings, policy, ..
        } = loaded;
        let mut faults = Vec::new();
        let compiled = weir_policy::compile(&policy, index.names())
            .map_err(|found| faults.extend(found))
            .ok();
        let tls = crate::tls::client_config(&settings.origin.trusted_roots)
            .map_err(|found| faults.extend(found.0))
            .ok();
        let (Some(compiled), Some(tls)) = (compiled, tls) else {
            return Err(Faults(faults));
        };
        let egress = egress(&settings);
        let mut hasher = DefaultHasher::new();
        format!("{:?}", settings.egress).hash(&mut hasher);
        Ok(Snapshot {
            egress,
            egress_version: hasher.finish(),
            tls,
            policy_version: compiled.version().into(),
            lists_version: index.version().into(),
            otherwise: "otherwise".into(),
            refuses_unrecorded: settings.records.when_unwritable == weir_config::Missing::Refuse,
            titles: Titles::read(&settings),
            methods: METHODS
                .iter()
                .map(|method| (*method, Arc::from(*method)))
                .collect(),
            joined: DashMap::new(),
            policy: compiled,
            policy_file: policy,
            settings,
            index,
            sealed,
            users,
            filled: Arc::default(),
        })
    }

    /// What the policy names and no list has, in words for people; nothing when it all is there.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self.policy.missing();
        let mut names: Vec<&str> = missing.iter().map(|one| &*one.category).collect();
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then(|| {
            format!(
                "the policy names categories that no list has, and decides nothing by them (their sites count as \
                 unlisted): {}; see `weir check`",
                names.join(", ")
            )
        })
    }

    /// The method's name for a record. An unknown one is kept when it looks like a method: it is the client's own text, which may
    /// be anything (LM-10).
    pub(crate) fn method_name(&self, method: &str) -> Arc<str> {
        match self.methods.get(method) {
            Some(known) => Arc::clone(known),
            None if method.len() <= 16
                && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') =>
            {
                method.into()
            }
            None => "(other)".into(),
        }
    }

    /// The category's name.
    pub(crate) fn category_name(&self, id: CategoryId) -> Arc<str> {
        Arc::clone(self.index.names().name(id))
    }

    /// The category in words for a page.
    pub(crate) fn category_title(&self, name: &str) -> String {
        self.titles.of(name)
    }

    /// All categories of a set, comma-joined, for a record.
    pub(crate) fn categories_text(&self, set: &CategorySet) -> Arc<str> {
        if let Some(known) = self.joined.get(set) {
            return Arc::clone(&known);
        }
        let names: Vec<&str> = set
            .iter()
            .map(|id| &**self.index.names().name(id))
            .collect();
        let text: Arc<str> = names.join(",").into();
        if self.joined.len() < JOINED {
            self.joined.insert(*set, Arc::clone(&text));
        }
        text
    }
}

/// Where a Weir of these settings may connect to.
pub(crate) fn egress(settings: &Settings) -> Egress {
    let mut own: Vec<_> = settings
        .listeners
        .iter()
        .map(|listener| listener.address)
        .collect();
    own.push(settings.console.address);
    Egress {
        allow: settings.egress.allow.clone(),
        own,
    }
}
