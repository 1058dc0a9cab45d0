//! May this address be dialled? The one answer to requests that would reach the school's own networks (AUP-22, SSRF).
//!
//! Asked about every address after resolution, at the one place that dials, so that a name that resolves to a private
//! address is refused like the address itself. Does not decide which ports or hosts are allowed.

use std::net::{IpAddr, SocketAddr};

use weir_host::address::{Kind, Network, kind, unwrapped};

/// Why an address may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", if *.own { "own listener, " } else { "" }, .kind.as_str())]
pub struct Refusal {
    /// What the address belongs to.
    pub kind: Kind,
    /// It is a listener of this proxy or its console, whatever its kind: never exempt.
    pub own: bool,
}

/// Says whether `address` and `port` may be dialled.
///
/// Only the public Internet may, and what lies in a network of `allow`. A cloud provider's metadata service is exempt only
/// when its very address is in `allow`: a wide network does not mean it. `own` are the addresses that this process
/// listens on, which nothing exempts. One that listens on all addresses is taken to be every address of the machine: with
/// its port no address outside the public Internet may be dialled, allowed or not; whether a public address is the
/// machine's own is for [`leads_back`] to tell once it is connected.
///
/// # Errors
/// [`Refusal`] says what the address is.
pub fn permitted(
    address: IpAddr,
    port: u16,
    allow: &[Network],
    own: &[SocketAddr],
) -> Result<(), Refusal> {
    let address = unwrapped(address);
    let kind = kind(address);
    if own
        .iter()
        .any(|listener| listener.port() == port && is_own(unwrapped(listener.ip()), address, kind))
    {
        return Err(Refusal { kind, own: true });
    }
    let exempts = |network: &&Network| kind != Kind::Metadata || is_single(network);
    if kind == Kind::Global
        || allow
            .iter()
            .filter(exempts)
            .any(|network| network.contains(address))
    {
        return Ok(());
    }
    Err(Refusal { kind, own: false })
}

/// A connection to no address reaches this machine, and so does one to any of its own addresses.
fn is_own(listener: IpAddr, address: IpAddr, kind: Kind) -> bool {
    let local = matches!(kind, Kind::Loopback | Kind::Unspecified);
    listener == address
        || (listener.is_unspecified() && kind != Kind::Global)
        || (listener.is_loopback() && local)
}

/// Whether a connection that was made leads to this process itself: to an address of this machine, which the kernel shows by
/// using the same one on both ends, and to the port of a listener on all addresses of that family. [`permitted`] cannot
/// know a machine's public addresses; the connection does.
#[must_use]
pub fn leads_back(local: IpAddr, peer: SocketAddr, own: &[SocketAddr]) -> bool {
    local.to_canonical() == peer.ip().to_canonical()
        && own.iter().any(|listener| {
            listener.port() == peer.port()
                && listener.ip().is_unspecified()
                && listener.is_ipv4() == peer.ip().to_canonical().is_ipv4()
        })
}

fn is_single(network: &Network) -> bool {
    network.prefix() == if network.address().is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: &str, allow: &[&str]) -> Result<(), Refusal> {
        let allow: Vec<Network> = allow
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        permitted(address.parse().expect("an address"), 80, &allow, &[])
    }

    #[test]
    fn aup_22_only_the_public_internet_may_be_dialled() {
        for (address, kind) in [
            ("127.0.0.1", Kind::Loopback),
            ("127.8.9.1", Kind::Loopback),
            ("::1", Kind::Loopback),
            ("::ffff:127.0.0.1", Kind::Loopback),
            ("64:ff9b::7f00:1", Kind::Loopback),
            ("2002:7f00:1::", Kind::Loopback),
            ("10.1.2.3", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.0.1", Kind::Private),
            ("::ffff:192.168.0.1", Kind::Private),
            ("fd12::1", Kind::Private),
            ("169.254.1.1", Kind::LinkLocal),
            ("fe80::1", Kind::LinkLocal),
            ("100.64.0.1", Kind::CarrierNat),
            ("224.0.0.1", Kind::Multicast),
            ("ff02::1", Kind::Multicast),
            ("169.254.169.254", Kind::Metadata),
            ("::ffff:169.254.169.254", Kind::Metadata),
            ("fd00:ec2::254", Kind::Metadata),
            ("0.0.0.0", Kind::Unspecified),
            ("::", Kind::Unspecified),
            ("255.255.255.255", Kind::Reserved),
        ] {
            assert_eq!(
                ask(address, &[]),
                Err(Refusal { kind, own: false }),
                "{address}"
            );
        }
        for address in [
            "93.184.215.14",
            "8.8.8.8",
            "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        ] {
            assert_eq!(ask(address, &[]), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_exempt_network_opens_itself_and_nothing_more() {
        assert_eq!(ask("10.1.2.3", &["10.0.0.0/8"]), Ok(()));
        assert_eq!(ask("::ffff:10.1.2.3", &["10.0.0.0/8"]), Ok(()));
        assert!(ask("192.168.1.1", &["10.0.0.0/8"]).is_err());
        assert!(ask("fd12::1", &["10.0.0.0/8"]).is_err());
        assert_eq!(ask("fd12::1", &["fd12::/16"]), Ok(()));
    }

    #[test]
    fn the_metadata_service_is_exempt_only_by_its_own_address() {
        assert!(ask("169.254.169.254", &["169.254.0.0/16", "0.0.0.0/0"]).is_err());
        assert!(ask("fd00:ec2::254", &["fd00::/8"]).is_err());
        assert_eq!(ask("169.254.169.254", &["169.254.169.254"]), Ok(()));
    }

    #[test]
    fn own_listeners_are_refused_even_when_their_network_is_exempt() {
        let allow: Vec<Network> = vec![
            "0.0.0.0/0".parse().expect("a network"),
            "::/0".parse().expect("a network"),
        ];
        let check = |own: &str, address: &str, port| {
            let own: SocketAddr = own.parse().expect("a socket address");
            permitted(address.parse().expect("an address"), port, &allow, &[own])
        };
        for (own, address) in [
            ("127.0.0.1:3180", "127.0.0.1"),
            ("127.0.0.1:3180", "::ffff:127.0.0.1"),
            ("127.0.0.1:3180", "0.0.0.0"),
            ("127.0.0.1:3180", "127.0.0.2"),
            ("[::1]:3180", "::"),
            ("10.0.0.5:3180", "10.0.0.5"),
            ("203.0.114.5:3180", "203.0.114.5"),
            ("0.0.0.0:3180", "10.0.0.5"),
            ("[::]:3180", "127.0.0.1"),
        ] {
            let refused = check(own, address, 3180);
            assert!(
                refused.is_err_and(|refusal| refusal.own),
                "{address} of {own}"
            );
            assert_eq!(check(own, address, 80), Ok(()), "{address}: another port");
        }
        assert_eq!(check("10.0.0.5:3180", "10.0.0.6", 3180), Ok(()));
        assert_eq!(check("0.0.0.0:3180", "93.184.215.14", 3180), Ok(()));
    }

    #[test]
    fn a_connection_to_a_public_address_of_this_machine_leads_back() {
        let own: Vec<SocketAddr> = ["[::]:3180", "0.0.0.0:3128", "203.0.114.5:8080"]
            .iter()
            .map(|text| text.parse().expect("a socket address"))
            .collect();
        let back = |local: &str, peer: &str| {
            let local = local.parse().expect("an address");
            leads_back(local, peer.parse().expect("a socket address"), &own)
        };
        assert!(back("2a00:9999::1", "[2a00:9999::1]:3180"));
        assert!(back("203.0.114.7", "203.0.114.7:3128"));
        assert!(back("::ffff:203.0.114.7", "[::ffff:203.0.114.7]:3128"));
        assert!(!back("2a00:9999::1", "[2a00:9999::1]:443"), "another port");
        assert!(
            !back("2a00:9999::1", "[2a00:9999::2]:3180"),
            "another machine"
        );
        assert!(!back("203.0.114.7", "203.0.114.7:3180"), "another family");
        assert!(!back("203.0.114.6", "203.0.114.6:8080"), "another address");
    }

    #[test]
    fn a_refusal_says_what_the_address_is() {
        assert_eq!(
            Refusal {
                kind: Kind::Loopback,
                own: true
            }
            .to_string(),
            "own listener, loopback"
        );
        assert_eq!(
            Refusal {
                kind: Kind::Private,
                own: false
            }
            .to_string(),
            "private"
        );
    }
}
