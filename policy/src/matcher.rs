//! Does one rule hold for these facts? The selectors that are not settled by [`crate::candidates`].
//!
//! All given selectors must hold, values within one are alternatives, and a fact that is not known yet matches nothing.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use weir_config::PortRange;
use weir_host::Host;
use weir_host::address::Network;

use crate::decide::{Facts, ResponseFacts};
use crate::groups::GroupSet;
use crate::schedule::PeriodSet;
use crate::subject::Subject;

/// A rule's selectors but for profiles and categories. Empty ones hold.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    pub(crate) during: PeriodSet,
    pub(crate) outside: PeriodSet,
    /// Sorted, as networks and devices are.
    pub(crate) users: Box<[Arc<str>]>,
    pub(crate) groups: Option<GroupSet>,
    pub(crate) networks: Box<[Arc<str>]>,
    pub(crate) devices: Box<[Arc<str>]>,
    pub(crate) hosts: Option<Hosts>,
    pub(crate) ports: Box<[PortRange]>,
    pub(crate) methods: Box<[Box<str>]>,
    pub(crate) extensions: Box<[Box<str>]>,
    pub(crate) content_types: Box<[Box<str>]>,
}

/// What many rules are asked about; what several of them need is worked out once.
pub(crate) struct Question<'a> {
    subject: &'a Subject,
    facts: &'a Facts<'a>,
    content_type: Option<&'a str>,
    extension: OnceCell<Option<&'a str>>,
}

impl<'a> Question<'a> {
    pub(crate) fn new(
        subject: &'a Subject,
        facts: &'a Facts<'a>,
        response: Option<&'a ResponseFacts<'a>>,
    ) -> Self {
        let content_type = response.and_then(|response| response.content_type);
        Self {
            subject,
            facts,
            content_type: content_type.map(essence),
            extension: OnceCell::new(),
        }
    }

    fn extension(&self) -> Option<&'a str> {
        *self.extension.get_or_init(|| extension(self.facts.path?))
    }
}

impl Matcher {
    /// Holds for these facts? Cheapest selectors first.
    pub(crate) fn holds(&self, question: &Question<'_>) -> bool {
        self.holds_now(question.facts)
            && self.holds_for(question.subject)
            && self.holds_for_target(question.facts)
            && holds(&self.extensions, question.extension(), |known, found| {
                known.eq_ignore_ascii_case(found)
            })
            && holds(
                &self.content_types,
                question.content_type,
                |known, found| is_of_type(known, found),
            )
    }

    fn holds_now(&self, facts: &Facts<'_>) -> bool {
        (self.during.is_empty() || facts.periods.intersects(self.during))
            && !facts.periods.intersects(self.outside)
    }

    fn holds_for(&self, subject: &Subject) -> bool {
        let groups = self.groups.as_ref();
        groups.is_none_or(|groups| groups.intersects(&subject.groups))
            && names(&self.users, subject.user.as_ref())
            && names(&self.networks, subject.network.as_ref())
            && names(&self.devices, subject.device.as_ref())
    }

    fn holds_for_target(&self, facts: &Facts<'_>) -> bool {
        let hosts = self.hosts.as_ref();
        holds(&self.ports, Some(facts.port), |range, port| {
            range.contains(port)
        }) && holds(&self.methods, Some(facts.method), |known, found| {
            **known == *found
        }) && hosts.is_none_or(|hosts| hosts.name(facts.host))
    }
}

/// Names with everything below them, and networks of address literals.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) names: Box<[Box<str>]>,
    pub(crate) networks: Box<[Network]>,
}

impl Hosts {
    // One after the other: comparing ends is faster than searching a sorted list for each parent, up to a thousand names.
    fn name(&self, host: &Host) -> bool {
        let address = match host {
            Host::Name(name) => return self.names.iter().any(|top| is_below(name.as_str(), top)),
            Host::V4(address) => IpAddr::V4(*address),
            Host::V6(address) => IpAddr::V6(*address),
        };
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }
}

/// Is it `top` itself, or below it on whole labels?
fn is_below(name: &str, top: &str) -> bool {
    name.strip_suffix(top)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// An empty selector holds; one with values needs a fact that one of them fits.
fn holds<T, F: Copy>(selector: &[T], found: Option<F>, fits: impl Fn(&T, F) -> bool) -> bool {
    selector.is_empty()
        || found.is_some_and(|found| selector.iter().any(|value| fits(value, found)))
}

/// As [`holds`], for sorted names.
fn names(selector: &[Arc<str>], found: Option<&Arc<str>>) -> bool {
    selector.is_empty() || found.is_some_and(|found| selector.binary_search(found).is_ok())
}

/// What follows the last dot of a path's last part. What a server or a file system drops from the end is dropped here
/// too, so that `setup.exe;v=1` and `setup.exe.` are what they will be on the disk.
fn extension(path: &str) -> Option<&str> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let mut name = last.split(';').next().unwrap_or_default();
    while let Some(shorter) = name.strip_suffix('.').or_else(|| name.strip_suffix("%20")) {
        name = shorter;
    }
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// A media type without its parameters.
fn essence(content_type: &str) -> &str {
    let essence = content_type.split(';').next();
    essence.unwrap_or_default().trim()
}

/// `known` is `type/subtype` or `type/*`.
fn is_of_type(known: &str, found: &str) -> bool {
    match known.strip_suffix('*') {
        Some(start) => {
            let head = found.get(..start.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(start))
        }
        None => found.eq_ignore_ascii_case(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_what_the_saved_file_would_end_in() {
        for (path, expected) in [
            ("/a/setup.exe", Some("exe")),
            ("/a/setup.EXE", Some("EXE")),
            ("/a/setup.exe;jsessionid=1.html", Some("exe")),
            ("/a/setup.exe.", Some("exe")),
            ("/a/setup.exe.%20.", Some("exe")),
            ("/a/archive.tar.gz", Some("gz")),
            ("/a.exe/page", None),
            ("/a.exe/", None),
            ("/", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(extension(path), expected, "{path}");
        }
    }

    #[test]
    fn a_media_type_matches_without_its_parameters_and_in_any_case() {
        for (found, known, expected) in [
            ("video/mp4", "video/*", true),
            ("Video/MP4", "video/mp4", true),
            ("video", "video/*", false),
            ("videos/mp4", "video/*", false),
            ("application/video", "video/*", false),
            ("é/x", "video/*", false),
            (" video/mp4 ; codecs=avc1", "video/mp4", true),
            ("", "video/*", false),
        ] {
            assert_eq!(
                is_of_type(known, essence(found)),
                expected,
                "{found} {known}"
            );
        }
    }
}
