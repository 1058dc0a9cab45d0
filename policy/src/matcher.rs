//! Does one rule hold for these facts? The selectors that are not settled by [`crate::candidates`].
//!
//! All given selectors must hold, values within one are alternatives, and a fact that is not known yet matches nothing.

use std::sync::Arc;

use weir_config::PortRange;
use weir_host::address::Network;
use weir_host::{Host, parents};

use crate::decide::{Facts, ResponseFacts};
use crate::groups::GroupSet;
use crate::schedule::PeriodSet;
use crate::subject::Subject;

/// A rule's selectors but for profiles and categories. Empty ones hold.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    pub(crate) during: PeriodSet,
    pub(crate) outside: PeriodSet,
    /// Sorted, as all names here.
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

impl Matcher {
    /// Holds for these facts about `subject`? Cheapest questions first.
    pub(crate) fn holds(
        &self,
        subject: &Subject,
        facts: &Facts<'_>,
        response: Option<&ResponseFacts<'_>>,
    ) -> bool {
        self.holds_now(facts)
            && self.holds_for(subject)
            && self.holds_for_request(facts)
            && any_or_one(&self.content_types, || {
                response
                    .and_then(|facts| facts.content_type)
                    .is_some_and(|found| self.names_type(found))
            })
    }

    fn holds_now(&self, facts: &Facts<'_>) -> bool {
        (self.during.is_empty() || facts.periods.intersects(self.during))
            && !facts.periods.intersects(self.outside)
    }

    fn holds_for(&self, subject: &Subject) -> bool {
        self.groups
            .as_ref()
            .is_none_or(|groups| groups.intersects(&subject.groups))
            && names(&self.users, subject.user.as_ref())
            && names(&self.networks, subject.network.as_ref())
            && names(&self.devices, subject.device.as_ref())
    }

    fn holds_for_request(&self, facts: &Facts<'_>) -> bool {
        any_or_one(&self.ports, || {
            self.ports.iter().any(|range| range.contains(facts.port))
        }) && any_or_one(&self.methods, || {
            self.methods.iter().any(|method| **method == *facts.method)
        }) && self
            .hosts
            .as_ref()
            .is_none_or(|hosts| hosts.name(facts.host))
            && any_or_one(&self.extensions, || {
                facts.path.is_some_and(|path| self.names_extension(path))
            })
    }

    fn names_extension(&self, path: &str) -> bool {
        extension(path).is_some_and(|found| {
            self.extensions
                .iter()
                .any(|known| known.eq_ignore_ascii_case(found))
        })
    }

    fn names_type(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        self.content_types
            .iter()
            .any(|known| is_of_type(essence, known))
    }
}

/// Names with everything below them, and networks of address literals.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    /// Sorted.
    pub(crate) names: Box<[Box<str>]>,
    pub(crate) networks: Box<[Network]>,
}

impl Hosts {
    fn name(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => parents(name.as_str()).any(|parent| {
                self.names
                    .binary_search_by(|known| known.as_ref().cmp(parent))
                    .is_ok()
            }),
            Host::V4(address) => self
                .networks
                .iter()
                .any(|network| network.contains((*address).into())),
            Host::V6(address) => self
                .networks
                .iter()
                .any(|network| network.contains((*address).into())),
        }
    }
}

fn any_or_one<T>(selector: &[T], holds: impl FnOnce() -> bool) -> bool {
    selector.is_empty() || holds()
}

fn names(selector: &[Arc<str>], found: Option<&Arc<str>>) -> bool {
    any_or_one(selector, || {
        found.is_some_and(|found| selector.binary_search(found).is_ok())
    })
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

/// `known` is `type/subtype` or `type/*`.
fn is_of_type(essence: &str, known: &str) -> bool {
    match known.strip_suffix('*') {
        Some(start) => essence
            .get(..start.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(start)),
        None => essence.eq_ignore_ascii_case(known),
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
        ] {
            assert_eq!(is_of_type(found, known), expected, "{found} {known}");
        }
        let matcher = Matcher {
            content_types: ["video/mp4".into()].into(),
            ..Matcher::default()
        };
        assert!(matcher.names_type(" video/mp4 ; codecs=avc1"));
    }
}
