//! Who asks: by password, by device, by network, or as a guest (AF-07, LM-05, AF-06).
//!
//! Decides how a person is identified and which profile holds for them. Whether a password
//! is right is `login`'s; what a profile may do is the policy's.

use crate::conn::Conn;
use crate::decision;
use crate::login::Outcome;
use crate::reply::Answer;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::users::{self, User};
use http::StatusCode;
use http::header::{self, HeaderMap};
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_config::{Device, LoginMode, RegisteredNetwork, UnknownNetwork};
use weir_host::address::client_network;
use weir_monitoring::{Confidence, Identity, Kind};
use weir_policy::{Seen, Subject};

/// A person, device or address, as far as it is known.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) subject: Subject,
    pub(crate) identity: Identity,
    /// When the password was verified.
    verified: Option<Instant>,
    /// Whose share of the line and whose allowance this is.
    pub(crate) key: Arc<str>,
    /// Groups, comma-joined, for the record.
    pub(crate) groups: Option<Arc<str>>,
    pub(crate) profile: Arc<str>,
}

impl Who {
    /// Seconds since the password was verified (LM-35).
    pub(crate) fn age(&self) -> Option<u32> {
        self.verified
            .map(|then| u32::try_from(then.elapsed().as_secs()).unwrap_or(u32::MAX))
    }

    /// Seconds for which such an identification is relied on; only a password has a beginning.
    pub(crate) fn expires(&self, login: &weir_config::Login) -> Option<u32> {
        self.verified
            .map(|_| u32::try_from(login.cache_lifetime.as_secs()).unwrap_or(u32::MAX))
    }

    /// How far it may be relied on now (LM-35).
    pub(crate) fn confidence(&self, login: &weir_config::Login) -> Confidence {
        match self.identity {
            Identity::Password if self.is_fresh(login) => Confidence::High,
            Identity::Password => Confidence::Stale,
            Identity::Device | Identity::Network => Confidence::Low,
            Identity::Guest | Identity::None => Confidence::None,
        }
    }

    /// Whether the password need not be looked at again yet.
    pub(crate) fn is_fresh(&self, login: &weir_config::Login) -> bool {
        self.verified
            .is_none_or(|then| then.elapsed() < login.cache_lifetime)
    }
}

/// A client of no registered network, where those are refused (LM-05).
#[derive(Debug)]
pub(crate) struct Unregistered;

/// Works out who a client is from what is known of it. Pure; also `weir explain` asks here.
///
/// # Errors
/// [`Unregistered`] where the configuration refuses unknown networks.
pub(crate) fn who(
    snapshot: &Snapshot,
    user: Option<(&User, Option<Duration>)>,
    address: IpAddr,
    guest_profile: Option<&Arc<str>>,
) -> Result<Who, Unregistered> {
    let settings = &snapshot.settings;
    let device = find_device(&settings.devices, address);
    let network = find_network(&settings.networks, address);
    if device.is_none() && network.is_none() && settings.unknown_network == UnknownNetwork::Refuse {
        return Err(Unregistered);
    }
    // A machine that belongs to a person has the person's groups beside its own.
    let personal = device.map(|device| with_user(snapshot, device));
    let subject = snapshot.policy.subject(&Seen {
        person: user.map(|(user, _)| (&user.name, user.groups.as_slice())),
        device: personal.as_deref(),
        network,
        listener_profile: guest_profile,
    });
    let identity = match (user, device, network) {
        (Some(_), _, _) => Identity::Password,
        (None, Some(_), _) => Identity::Device,
        (None, None, Some(network)) if network.profile.is_some() => Identity::Network,
        _ => Identity::Guest,
    };
    let key: Arc<str> = match (&subject.user, device) {
        (Some(name), _) => user_key(name).into(),
        (None, Some(device)) => format!("device:{}", device.name).into(),
        (None, None) => address_key(address),
    };
    let groups = subject.group_names();
    Ok(Who {
        identity,
        verified: user.and_then(|(_, age)| Instant::now().checked_sub(age?)),
        key,
        groups: (!groups.is_empty()).then(|| groups.join(",").into()),
        profile: Arc::clone(snapshot.policy.profile_name(subject.profile)),
        subject,
    })
}

/// What a person is counted and told by, however their name is spelt: in the users' file, at a `[[device]]`, in a record or by
/// whoever types a command.
pub(crate) fn user_key(name: &str) -> String {
    format!("user:{}", users::key(name))
}

/// Nothing but the address is known: whoever can take another one gains nothing by it.
pub(crate) fn address_key(address: IpAddr) -> Arc<str> {
    match client_network(address) {
        IpAddr::V4(v4) => format!("address:{v4}").into(),
        IpAddr::V6(network) => format!("address:{network}/64").into(),
    }
}

fn with_user<'a>(snapshot: &Snapshot, device: &'a Device) -> Cow<'a, Device> {
    let user = device
        .user
        .as_deref()
        .and_then(|name| snapshot.users.get(name));
    let Some(user) = user else {
        return Cow::Borrowed(device);
    };
    let mut device = device.clone();
    for group in &user.groups {
        if !device.groups.contains(group) {
            device.groups.push(Arc::clone(group));
        }
    }
    Cow::Owned(device)
}

/// The narrowest match wins, so that one machine can be taken out of a range.
fn find_device(devices: &[Device], address: IpAddr) -> Option<&Device> {
    devices
        .iter()
        .flat_map(|device| device.addresses.iter().map(move |range| (range, device)))
        .filter(|(range, _)| range.contains(address))
        .max_by_key(|(range, _)| range.prefix())
        .map(|(_, device)| device)
}

fn find_network(networks: &[RegisteredNetwork], address: IpAddr) -> Option<&RegisteredNetwork> {
    networks
        .iter()
        .flat_map(|network| network.addresses.iter().map(move |range| (range, network)))
        .filter(|(range, _)| range.contains(address))
        .max_by_key(|(range, _)| range.prefix())
        .map(|(_, network)| network)
}

/// Identifies the sender of a request and notes it in the record.
pub(crate) async fn identify(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    fields: &HeaderMap,
) -> Result<Rc<Who>, Answer> {
    let credentials = match conn.entrance.login {
        LoginMode::Off => None,
        LoginMode::Optional | LoginMode::Required => {
            let mut lines = fields.get_all(header::PROXY_AUTHORIZATION).iter();
            let first = lines.next();
            if lines.next().is_some() {
                return Err(Answer::malformed("The request carries two sign-ins."));
            }
            first
        }
    };
    if let Some(who) = conn.known(snapshot, credentials) {
        decision::note_who(task, snapshot, &who);
        return Ok(who);
    }
    let verified = match credentials {
        Some(header) => Some(verify(conn, snapshot, task, header.as_bytes()).await?),
        None => None,
    };
    let address = conn.peer.ip();
    let user = verified.as_ref().map(|(user, age)| (&**user, Some(*age)));
    let who = who(snapshot, user, address, conn.entrance.profile.as_ref())
        .map_err(|Unregistered| unregistered())?;
    // A machine that cannot log in is known by its address.
    let known = matches!(who.identity, Identity::Password | Identity::Device);
    if conn.entrance.login == LoginMode::Required && !known {
        return Err(Answer::sign_in(
            "Sign in with your school name and password.",
        ));
    }
    let who = Rc::new(who);
    decision::note_who(task, snapshot, &who);
    conn.remember(snapshot, credentials, &who);
    Ok(who)
}

async fn verify(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    header: &[u8],
) -> Result<(Arc<User>, Duration), Answer> {
    let shared = &conn.worker.shared;
    if let Some(known) = shared.verifier.cached(&snapshot.users, header) {
        return Ok(known);
    }
    let outcome = shared
        .verifier
        .verify(&snapshot.users, header, conn.peer.ip())
        .await;
    let (label, answer, claimed) = match outcome {
        Outcome::Known { user, age } => {
            shared.metrics.sign_in("known");
            return Ok((user, age));
        }
        Outcome::Wrong { claimed } => (
            "wrong",
            Answer::sign_in("The name or the password is wrong."),
            claimed,
        ),
        Outcome::Throttled { retry_after } => ("throttled", throttled(retry_after), None),
        Outcome::Malformed => (
            "malformed",
            Answer::sign_in("The sign-in could not be read."),
            None,
        ),
        Outcome::Busy => ("busy", busy(), None),
    };
    shared.metrics.sign_in(label);
    task.note(|record| {
        record.kind = Kind::SignInFailure;
        // The name is what somebody typed, not who they are; and only a name that is one is kept: people type their
        // password into that box too (LM-10).
        record.note = Some(match claimed.map(|claimed| snapshot.users.get(&claimed)) {
            Some(Some(user)) => format!("{label}, as {:?}", user.name).into(),
            Some(None) => format!("{label}, as somebody unknown").into(),
            None => label.into(),
        });
    });
    Err(answer)
}

fn throttled(retry_after: Duration) -> Answer {
    let mut answer = Answer::new(
        StatusCode::TOO_MANY_REQUESTS,
        Some("http_request_denied"),
        "Too many wrong passwords",
        "Too many wrong passwords came from this machine. Wait a little and try again.",
    );
    answer.retry_after = Some(retry_after.as_secs().max(1));
    answer
}

fn busy() -> Answer {
    let mut answer = Answer::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some("proxy_internal_error"),
        "Sign-in is busy",
        "Too many people are signing in at this moment. Try again in a few seconds.",
    );
    answer.retry_after = Some(2);
    answer
}

fn unregistered() -> Answer {
    Answer::new(
        StatusCode::FORBIDDEN,
        Some("http_request_denied"),
        "This network is not registered",
        "The filter serves only the networks and machines of this school.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_identification_that_is_older_than_it_holds_is_stale_and_an_address_alone_never_sure_lm_35()
     {
        let snapshot = snapshot();
        let login = &snapshot.settings.login;
        let known = |age: Duration| Who {
            verified: Instant::now().checked_sub(age),
            ..who(&snapshot, None, "192.0.2.1".parse().unwrap(), None).unwrap()
        };
        let life = login.cache_lifetime;
        for (identity, age, expected) in [
            (Identity::Password, Duration::ZERO, Confidence::High),
            (
                Identity::Password,
                life - Duration::from_secs(1),
                Confidence::High,
            ),
            (Identity::Password, life, Confidence::Stale),
            (Identity::Device, Duration::ZERO, Confidence::Low),
            (Identity::Network, Duration::ZERO, Confidence::Low),
            (Identity::Guest, Duration::ZERO, Confidence::None),
            (Identity::None, Duration::ZERO, Confidence::None),
        ] {
            let who = Who {
                identity,
                ..known(age)
            };
            assert_eq!(who.confidence(login), expected, "{identity:?} {age:?}");
            assert_eq!(who.expires(login), Some(900));
        }
    }

    /// The snapshot of the configuration inside the program.
    fn snapshot() -> Snapshot {
        let loaded = weir_config::embedded().unwrap();
        let built = weir_categories::build(&[weir_categories::embedded()], &mut |_| {});
        let sealed = crate::sealed::load(&loaded.settings, None);
        Snapshot::build(
            loaded,
            Arc::new(built.unwrap().index),
            Arc::default(),
            sealed,
        )
        .unwrap()
    }

    #[test]
    fn another_address_of_the_same_ipv6_network_buys_no_second_share_or_allowance() {
        let key = |address: &str| address_key(address.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(&*key("2001:db8:1:2::1"), "address:2001:db8:1:2::/64");
        assert_eq!(&*key("::ffff:192.0.2.1"), "address:192.0.2.1");
    }
}
