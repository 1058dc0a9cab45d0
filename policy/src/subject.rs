//! Who asks, as far as rules can tell: person, groups, network, device, and the profile that follows from them.
//!
//! Decides which of several things known about somebody gives them their profile and groups. It does not decide who
//! somebody is: passwords and addresses have been checked before.

use std::borrow::Cow;
use std::sync::Arc;

use weir_config::{Device, RegisteredNetwork};

use crate::groups::GroupSet;
use crate::{Policy, ProfileId};

/// What was seen of whoever asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// Name and groups of a person who has logged in.
    pub person: Option<(&'a Arc<str>, &'a [Arc<str>])>,
    /// The device that the address belongs to.
    pub device: Option<&'a Device>,
    /// The registered network that the address belongs to.
    pub network: Option<&'a RegisteredNetwork>,
    /// The listener's profile for guests.
    pub listener_profile: Option<&'a Arc<str>>,
}

/// Where a profile comes from, to find it again in another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Strictest,
    Named(Arc<str>),
    Groups,
}

/// Whoever asks, prepared for one policy. With another one it is prepared again at each question: right, but slower.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The person, by login or as the only user of a device.
    pub user: Option<Arc<str>>,
    /// The registered network.
    pub network: Option<Arc<str>>,
    /// The registered device.
    pub device: Option<Arc<str>>,
    /// The groups, of those the policy knows.
    pub groups: GroupSet,
    /// The profile.
    pub profile: ProfileId,
    group_names: Arc<[Arc<str>]>,
    origin: Origin,
    stamp: u64,
}

impl Subject {
    /// All groups by name, those included that the policy does not know.
    #[must_use]
    pub fn group_names(&self) -> &[Arc<str>] {
        &self.group_names
    }

    /// This subject as `policy` sees it.
    pub(crate) fn current_in(&self, policy: &Policy) -> Cow<'_, Self> {
        if self.stamp == policy.stamp {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            groups: policy.groups.set(self.group_names.iter()),
            profile: policy.profile_from(&self.origin, &self.group_names),
            stamp: policy.stamp,
            ..self.clone()
        })
    }

    pub(crate) fn groups_in<'a>(&'a self, policy: &Policy) -> Cow<'a, GroupSet> {
        match self.current_in(policy) {
            Cow::Borrowed(subject) => Cow::Borrowed(&subject.groups),
            Cow::Owned(subject) => Cow::Owned(subject.groups),
        }
    }
}

impl Policy {
    /// Prepares whoever was seen for this policy's rules.
    ///
    /// - From neither a registered network nor a device: the strictest profile, logged in or not (AF-06).
    /// - Logged in: the person's groups, and the profile of those.
    /// - On a device: its user and groups; its own profile, else the one of its groups.
    /// - A guest: the network's groups; the listener's profile, else the network's, else the one of the groups.
    ///
    /// A profile that this policy does not have, and none at all, is the strictest.
    #[must_use]
    pub fn subject(&self, seen: &Seen<'_>) -> Subject {
        let (user, groups, origin) = self.standing(seen);
        Subject {
            user: user.cloned(),
            network: seen.network.map(|network| Arc::clone(&network.name)),
            device: seen.device.map(|device| Arc::clone(&device.name)),
            groups: self.groups.set(groups),
            profile: self.profile_from(&origin, groups),
            group_names: groups.into(),
            origin,
            stamp: self.stamp,
        }
    }

    fn standing<'a>(&self, seen: &Seen<'a>) -> (Option<&'a Arc<str>>, &'a [Arc<str>], Origin) {
        let named = |profile: Option<&Arc<str>>| {
            profile.map_or(Origin::Groups, |name| Origin::Named(Arc::clone(name)))
        };
        if let Some((user, groups)) = seen.person {
            let known = seen.network.is_some() || seen.device.is_some();
            return (
                Some(user),
                groups,
                if known {
                    Origin::Groups
                } else {
                    Origin::Strictest
                },
            );
        }
        if let Some(device) = seen.device {
            return (
                device.user.as_ref(),
                &device.groups,
                named(device.profile.as_ref()),
            );
        }
        match seen.network {
            Some(network) => {
                let profile = seen.listener_profile.or(network.profile.as_ref());
                (None, &network.groups, named(profile))
            }
            None => (None, &[], Origin::Strictest),
        }
    }

    fn profile_from(&self, origin: &Origin, groups: &[Arc<str>]) -> ProfileId {
        match origin {
            Origin::Strictest => self.strictest,
            Origin::Named(name) => self.profile(name).unwrap_or(self.strictest),
            Origin::Groups => self.profile_of(groups),
        }
    }
}
