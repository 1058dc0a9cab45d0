//! Addresses: what hides inside IPv6, the special ranges at both of their ends, and networks.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_ipv4_address_inside_ipv6_is_taken_out() {
    let cases = [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::127.0.0.1", "127.0.0.1"),
        ("::ffff:0:127.0.0.1", "127.0.0.1"),
        ("2002:7f00:1::", "127.0.0.1"),
        ("2002:7f00:1:1:2:3:4:5", "127.0.0.1"),
        ("64:ff9b::7f00:1", "127.0.0.1"),
        ("64:ff9b::169.254.169.254", "169.254.169.254"),
        // Teredo: server 192.0.2.1, client 127.0.0.1 inverted.
        ("2001:0:c000:201:0:0:80ff:fffe", "127.0.0.1"),
        ("::", "::"),
        ("::1", "::1"),
        ("::2", "0.0.0.2"),
        ("64:ff9b:1::7f00:1", "64:ff9b:1::7f00:1"),
        ("64:ff9b::1:0:0", "64:ff9b::1:0:0"),
        ("2001:db8::7f00:1", "2001:db8::7f00:1"),
        ("fe80::ffff:7f00:1", "fe80::ffff:7f00:1"),
    ];
    for (address, expected) in cases {
        assert_eq!(unwrapped(ip(address)), ip(expected), "{address}");
    }
}

#[test]
fn every_special_range_is_known_to_its_ends() {
    use Kind::*;
    let cases = [
        ("8.8.8.8", Global),
        ("0.0.0.0", Unspecified),
        ("0.255.255.255", Unspecified),
        ("1.0.0.0", Global),
        ("9.255.255.255", Global),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("11.0.0.0", Global),
        ("100.63.255.255", Global),
        ("100.64.0.0", CarrierNat),
        ("100.100.100.200", Metadata),
        ("100.127.255.255", CarrierNat),
        ("100.128.0.0", Global),
        ("127.0.0.1", Loopback),
        ("127.255.255.255", Loopback),
        ("128.0.0.0", Global),
        ("168.63.129.16", Metadata),
        ("169.253.255.255", Global),
        ("169.254.0.0", LinkLocal),
        ("169.254.169.254", Metadata),
        ("169.254.170.2", Metadata),
        ("169.255.0.0", Global),
        ("172.15.255.255", Global),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("172.32.0.0", Global),
        ("192.0.0.1", Reserved),
        ("192.0.0.192", Metadata),
        ("192.0.2.1", Documentation),
        ("192.88.99.1", Reserved),
        ("192.167.255.255", Global),
        ("192.168.0.0", Private),
        ("192.169.0.0", Global),
        ("198.17.255.255", Global),
        ("198.18.0.0", Reserved),
        ("198.19.255.255", Reserved),
        ("198.20.0.0", Global),
        ("198.51.100.7", Documentation),
        ("203.0.113.7", Documentation),
        ("223.255.255.255", Global),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.0", Reserved),
        ("255.255.255.255", Reserved),
        ("::", Unspecified),
        ("::1", Loopback),
        ("2606:4700:4700::1111", Global),
        ("2a00:1450:4009::1", Global),
        ("fc00::1", Private),
        ("fdff:ffff::1", Private),
        ("fec0::1", Private),
        ("64:ff9b:1::1", Private),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("ff02::1", Multicast),
        ("fd00:ec2::254", Metadata),
        ("fd20:ce::254", Metadata),
        ("2001:db8::1", Documentation),
        ("3fff::1", Documentation),
        ("3fff:1000::1", Global),
        ("2001:2::1", Reserved),
        ("2001:20::1", Reserved),
        ("2001:200::1", Global),
        ("100::1", Reserved),
        ("5f00::1", Reserved),
        ("4000::1", Reserved),
        ("::ffff:10.0.0.1", Private),
        ("64:ff9b::8.8.8.8", Global),
        ("64:ff9b::127.0.0.1", Loopback),
        ("::ffff:169.254.169.254", Metadata),
        ("2002:a9fe:a9fe::", Metadata),
        ("2001:0:c000:201::5601:5601", Metadata),
    ];
    for (address, expected) in cases {
        assert_eq!(kind(ip(address)), expected, "{address}");
    }
}

#[test]
fn a_network_contains_its_addresses_in_every_spelling() {
    let cases = [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", true),
        ("10.0.0.7", "10.0.0.7", true),
        ("10.0.0.7", "10.0.0.6", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "2606::1", false),
        ("::/0", "2606::1", true),
        ("::/0", "10.0.0.1", false),
        // What an IPv4 rule would catch, no IPv6 rule lets through.
        ("::/0", "::ffff:10.0.0.1", false),
        ("::/0", "64:ff9b::127.0.0.1", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false),
        ("[2001:db8::1]", "2001:db8::1", true),
        ("::1", "::1", true),
        ("::1", "::", false),
    ];
    for (network, address, expected) in cases {
        let network: Network = network.parse().unwrap();
        assert_eq!(
            network.contains(ip(address)),
            expected,
            "{network} {address}"
        );
    }
}

#[test]
fn a_wrong_network_says_what_is_right() {
    let fault = |text: &str| text.parse::<Network>().unwrap_err().to_string();
    assert_eq!(
        fault("10.1.2.3/8"),
        "bits beyond the prefix are set: write 10.0.0.0/8, or the single address without a prefix"
    );
    assert!(fault("2001:db8::1/64").contains("write 2001:db8::/64"));
    assert!(fault("10.0.0.0/33").contains("0 to 32"));
    assert!(fault("::/129").contains("0 to 128"));
    for text in [
        "::ffff:10.0.0.0/104",
        "::ffff:10.0.0.1",
        "64:ff9b::/96",
        "2002::/16",
        "2001::/32",
    ] {
        assert_eq!(
            text.parse::<Network>(),
            Err(NetworkError::CarriesV4),
            "{text}"
        );
    }
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0/8",
        "10.0.0.0/8/8",
        "010.0.0.0/8",
        " 10.0.0.0/8",
        "example.com",
        "fe80::1%eth0",
        "[10.0.0.1]",
        "10.0.0.0/-1",
    ] {
        assert!(text.parse::<Network>().is_err(), "{text}");
    }
}

#[test]
fn networks_overlap_when_one_holds_the_other() {
    let overlap = |a: &str, b: &str| {
        let (a, b): (Network, Network) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(a.overlaps(&b), b.overlaps(&a));
        a.overlaps(&b)
    };
    assert!(overlap("10.0.0.0/8", "10.2.0.0/16"));
    assert!(overlap("10.0.0.0/8", "10.0.0.0/8"));
    assert!(!overlap("10.0.0.0/16", "10.1.0.0/16"));
    assert!(!overlap("0.0.0.0/0", "::/0"));
}

proptest! {
    #[test]
    fn a_network_reads_back_as_it_is_shown(address: IpAddr, prefix in 0_u8..=128) {
        let network = Network::around(address, prefix);
        match network.to_string().parse::<Network>() {
            Ok(again) => prop_assert_eq!(again, network),
            Err(error) => prop_assert_eq!(error, NetworkError::CarriesV4),
        }
        prop_assert!(network.contains(network.address()) || unwrapped(network.address()).is_ipv4());
    }

    #[test]
    fn an_address_belongs_where_its_leading_bits_say(network: u32, prefix in 0_u8..=32, address: u32) {
        let inside = (0..prefix).all(|bit| (network ^ address) >> (31 - bit) & 1 == 0);
        let v4 = |bits| IpAddr::V4(std::net::Ipv4Addr::from_bits(bits));
        prop_assert_eq!(Network::around(v4(network), prefix).contains(v4(address)), inside);
    }

    #[test]
    fn every_ipv4_address_is_judged_alike_in_every_disguise(bits: u32) {
        let plain = Ipv4Addr::from_bits(bits);
        let [a, b] = [(bits >> 16) as u16, bits as u16];
        prop_assume!(bits > 1);
        for disguise in [
            plain.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, a, b),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),
            Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !a, !b),
        ] {
            prop_assert_eq!(unwrapped(IpAddr::V6(disguise)), IpAddr::V4(plain));
            prop_assert_eq!(kind(IpAddr::V6(disguise)), kind(IpAddr::V4(plain)));
        }
    }
}

#[test]
fn one_machine_is_one_client_in_its_whole_ipv6_network_and_in_a_mapped_address() {
    for (address, client) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
    ] {
        let [address, client] = [address, client].map(ip);
        assert_eq!(client_network(address), client, "{address}");
    }
}
