//! The checked types of `[[lists.source]]`: lists that Weir keeps up to date.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_host::Target;

use crate::words::words;

words! {
    /// How a list is written.
    ListFormat {
        /// Told by the first lines.
        Auto = "auto",
        /// Directories or archives of `<category>/{domains,urls,expressions}`.
        SquidGuard = "squidguard",
        /// `0.0.0.0 name`.
        Hosts = "hosts",
        /// `||name^`.
        AdBlock = "adblock",
        /// `address=/name/`.
        Dnsmasq = "dnsmasq",
        /// A response policy zone.
        Rpz = "rpz",
        /// `*.name` or `name`.
        Wildcard = "wildcard",
        /// A name, address or network a line.
        Plain = "plain",
        /// A URL a line.
        Urls = "urls",
        /// `domain:`, `full:`, `include:`.
        V2fly = "v2fly",
        /// An address or network a line.
        Cidr = "cidr",
        /// Names, URLs and addresses with ports.
        Maltrail = "maltrail",
    }
}

/// Where something is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// On this machine; absolute.
    File(PathBuf),
    /// On the network.
    Url(Target),
}

impl Place {
    /// For people and logs: a URL without path and query, in which a token may stand (LM-10).
    pub fn shown(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            Place::Url(target) => format!("{}://{}", target.scheme, target.authority()),
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Url(target) => {
                let (scheme, authority) = (target.scheme, target.authority());
                write!(f, "{scheme}://{authority}{}", target.path_and_query())
            }
        }
    }
}

/// How often to look; `None` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh(pub Option<Duration>);

/// Which category of the school's each of a source's becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum CategoryChoice {
    /// A file of lines `theirs = "ours"`.
    File(PathBuf),
    /// The lines; none of ours leaves a category out.
    Map(BTreeMap<String, Vec<String>>),
}

/// `[[lists.source]]`
#[derive(Clone, Debug, PartialEq)]
pub struct ListSource {
    /// Unique; also the name of a directory.
    pub name: Arc<str>,
    /// Where it comes from.
    pub from: Place,
    /// How it is written.
    pub format: ListFormat,
    /// Of a list that is one file; not together with `categories`.
    pub category: Option<Arc<str>>,
    /// Of one that has categories itself.
    pub categories: Option<CategoryChoice>,
    /// How often to look for a newer one.
    pub refresh: Refresh,
    /// Bytes.
    pub size_max: u64,
    /// 64 lower-case hexadecimal digits; not together with `sha256_from`.
    pub sha256: Option<String>,
    /// Where the digest is.
    pub sha256_from: Option<Place>,
    /// Of minisign, in base64.
    pub public_key: Option<String>,
    /// Where the signature is; `from` with `.minisig` behind it when there is none.
    pub signature: Option<Place>,
    /// As written; see [`ListSource::stale_after`].
    pub stale: Option<Duration>,
    /// 0 to 1.
    pub shrink_max: f64,
    /// Whether it is kept up to date at all.
    pub enabled: bool,
}

impl ListSource {
    /// The age at which an alarm is raised: three times the refresh unless it is written; none for a source that is only
    /// updated by hand and has no age written.
    pub fn stale_after(&self) -> Option<Duration> {
        self.stale.or(self.refresh.0.map(|refresh| refresh * 3))
    }

    /// Whether what comes is checked against a digest or a signature.
    pub fn is_verified(&self) -> bool {
        self.sha256.is_some() || self.sha256_from.is_some() || self.public_key.is_some()
    }
}
