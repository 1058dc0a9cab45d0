//! The closed vocabularies of a record, and how each is spelt at rest.
//!
//! Decides the words; what they are applied to is decided by whoever makes the record.

use serde::{Deserialize, Serialize};

/// A value that is one of a fixed list of words; stored as that word so that any reader of Arrow or Parquet understands it.
pub(crate) trait Word: Copy {
    /// The word at rest.
    fn word(self) -> &'static str;
}

/// A word that is in none of the vocabularies asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is not a {what}; one of: {known}")]
pub struct UnknownWord {
    what: &'static str,
    given: String,
    known: String,
}

impl UnknownWord {
    pub(crate) fn new(what: &'static str, given: &str, known: &[&str]) -> UnknownWord {
        let given = crate::scrub::text(given, 64).into_owned();
        UnknownWord {
            what,
            given,
            known: known.join(", "),
        }
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word at rest, in exports and in queries.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl Word for $name {
            fn word(self) -> &'static str { self.as_str() }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<$name, UnknownWord> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(UnknownWord::new($what, text, &[$($word,)+])),
                }
            }
        }
    };
}

words! {
    /// What a row tells of.
    Kind, "kind of record" {
        /// One request, written when it ended.
        Request = "request",
        /// A request that is still running; its `Request` row follows under the same event id.
        RequestOpen = "request_open",
        /// A tunnel was opened; its `TunnelClose` row follows under the same event id.
        TunnelOpen = "tunnel_open",
        /// A tunnel ended.
        TunnelClose = "tunnel_close",
        /// A wrong, malformed or throttled sign-in.
        SignInFailure = "sign_in_failure",
        /// A message that could not be understood or may not be forwarded.
        Refusal = "refusal",
        /// Weir started.
        Start = "start",
        /// Weir stopped in good order.
        Stop = "stop",
        /// Something may be missing: a crash, an unwritable disk, dropped records (LM-33).
        Gap = "gap",
        /// Configuration, policy or lists were exchanged.
        Reload = "reload",
        /// The wall clock was stepped (LM-32).
        Clock = "clock",
        /// A whole period was removed because its time was over (LM-14).
        Retention = "retention",
        /// Somebody looked at records, or was refused (LM-18).
        Read = "read",
        /// Somebody disputes an event; stands beside it and alters nothing (LM-22).
        Dispute = "dispute",
        /// The authorisation to monitor was given, renewed, ended, or its time ran out (LM-02).
        Authorisation = "authorisation",
        /// Somebody was given the monitoring notice (LM-06).
        Notice = "notice",
    }
}

words! {
    /// How the person or device was identified (LM-35, AF-07).
    Identity, "way of identification" {
        /// A name and a password.
        Password = "password",
        /// A registered device that cannot sign in.
        Device = "device",
        /// A registered network.
        Network = "network",
        /// Nobody in particular, under a guest profile.
        Guest = "guest",
        /// Not identified; also rows that are about Weir itself.
        None = "none",
    }
}

words! {
    /// How far the identification may be relied on (LM-35). Where it is not `high`, the name alone says too little.
    Confidence, "confidence" {
        /// A password that was verified within the time for which that holds.
        High = "high",
        /// An address that is registered as a device's or a network's: whoever takes it counts as them.
        Low = "low",
        /// A password that was verified longer ago than that holds: the person may have left.
        Stale = "stale",
        /// Nobody is identified.
        None = "none",
    }
}

words! {
    /// Whether whoever asked had been given the monitoring notice by then (LM-06).
    Informed, "state of the notice" {
        /// In the version in force.
        Given = "given",
        /// In an earlier version only, or too long ago for somebody who is known by an address alone.
        Outdated = "outdated",
        /// Not that is known; also before it is known who asks.
        None = "none",
        /// The row is about Weir itself.
        Exempt = "exempt",
    }
}

words! {
    /// What the policy answered.
    Verdict, "verdict" {
        /// Let through.
        Allow = "allow",
        /// Refused by policy.
        Block = "block",
        /// Let through after a click, or the page that asks for it.
        Warn = "warn",
        /// The policy was not asked, or the row is about Weir itself.
        None = "none",
    }
}

words! {
    /// How the request or tunnel ended.
    End, "end" {
        /// Everything was delivered.
        Complete = "complete",
        /// The client went away.
        ClientGone = "client_gone",
        /// The origin went away.
        OriginGone = "origin_gone",
        /// A deadline passed.
        Deadline = "deadline",
        /// Cut by the shutdown deadline.
        Drained = "drained",
        /// Over the size of one transfer.
        SizeLimit = "size_limit",
        /// Over the daily allowance.
        Allowance = "allowance",
        /// Refused before anything was sent.
        Refused = "refused",
        /// Still running: opening rows.
        Open = "open",
        /// Unknown because Weir crashed: written by recovery.
        Crash = "crash",
    }
}

words! {
    /// What made the client ask, where visible (LM-13).
    Initiator, "initiator" {
        /// A person went to a page.
        Navigation = "navigation",
        /// A page fetched a part of itself.
        SubResource = "sub_resource",
        /// A script or programme without a page.
        Background = "background",
        /// Fetched in advance.
        Prefetch = "prefetch",
        /// Not visible; never guessed.
        Unknown = "unknown",
    }
}

impl Kind {
    /// Whether rows of this kind tell of Weir itself, and of nobody's traffic.
    pub fn is_about_weir(self) -> bool {
        match self {
            Kind::Start
            | Kind::Stop
            | Kind::Gap
            | Kind::Reload
            | Kind::Clock
            | Kind::Retention
            | Kind::Authorisation
            | Kind::Read
            | Kind::Dispute => true,
            Kind::Request
            | Kind::RequestOpen
            | Kind::TunnelOpen
            | Kind::TunnelClose
            | Kind::SignInFailure
            | Kind::Refusal
            | Kind::Notice => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse::<Kind>().unwrap(), *kind);
        }
        for end in End::ALL {
            assert_eq!(end.as_str().parse::<End>().unwrap(), *end);
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let error = "alow\u{202e}".parse::<Verdict>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"alow\\u{202e}\" is not a verdict; one of: allow, block, warn, none"
        );
    }
}
