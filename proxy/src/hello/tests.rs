#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// A hello as rustls sends it: one record, or several when `fragment` bounds their size.
fn real(server: &str, fragment: Option<usize>) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.max_fragment_size = fragment;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = ServerName::try_from(server.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), server).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn sni(peek: Peek) -> Option<String> {
    match peek {
        Peek::Hello(hello) => hello.sni.map(|name| name.as_str().to_owned()),
        other => panic!("not a hello: {other:?}"),
    }
}

fn record(payload: &[u8]) -> Vec<u8> {
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    record.extend(payload);
    record
}

fn vector16(content: &[u8]) -> Vec<u8> {
    let mut vector = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    vector.extend(content);
    vector
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vector16(data)].concat()
}

fn named(names: &[(u8, &[u8])]) -> Vec<u8> {
    let entry = |(kind, name): &(u8, &[u8])| [vec![*kind], vector16(name)].concat();
    let list: Vec<u8> = names.iter().flat_map(entry).collect();
    extension(0, &vector16(&list))
}

fn message_of(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], body].concat()
}

fn body_with(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(vector16(extensions));
    body
}

fn built(extensions: &[u8]) -> Peek {
    parse(&record(&message_of(&body_with(extensions))))
}

#[test]
fn a_real_hello_shows_its_server_name() {
    assert_eq!(
        sni(parse(&real("www.Example.org", None))).unwrap(),
        "www.example.org"
    );
}

#[test]
fn a_hello_to_an_address_has_no_name() {
    assert_eq!(sni(parse(&real("192.0.2.7", None))), None);
}

#[test]
fn a_hello_cut_at_every_byte_asks_for_more() {
    for fragment in [None, Some(64)] {
        let hello = real("cut.example", fragment);
        for end in 0..hello.len() {
            assert_eq!(parse(&hello[..end]), Peek::More, "after {end} bytes");
        }
        assert_eq!(sni(parse(&hello)).unwrap(), "cut.example");
    }
}

#[test]
fn a_hello_in_two_records_cut_anywhere_is_put_together() {
    let hello = real("fragments.example", None);
    let message = &hello[5..];
    for cut in 1..message.len() {
        let bytes = [record(&message[..cut]), record(&message[cut..])].concat();
        assert_eq!(
            sni(parse(&bytes)).unwrap(),
            "fragments.example",
            "cut at {cut}"
        );
    }
}

#[test]
fn a_hello_in_records_of_one_byte_is_put_together() {
    let hello = real("tiny.example", None);
    let bytes: Vec<u8> = hello[5..]
        .iter()
        .flat_map(|byte| record(&[*byte]))
        .collect();
    assert_eq!(sni(parse(&bytes)).unwrap(), "tiny.example");
}

#[test]
fn what_follows_the_hello_in_a_record_of_its_own_is_left_alone() {
    let mut bytes = real("early.example", None);
    bytes.extend([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 9, 9]);
    assert_eq!(sni(parse(&bytes)).unwrap(), "early.example");
}

#[test]
fn names_come_out_in_normal_form() {
    for (sent, expected) in [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
    ] {
        assert_eq!(
            sni(built(&named(&[(0, sent.as_bytes())]))).unwrap(),
            expected
        );
    }
}

#[test]
fn names_that_are_no_host_names_are_malformed() {
    let long = "a".repeat(64);
    let cases: &[&[u8]] = &[
        b"",
        b".",
        b"a..b",
        b"a b.example",
        b"a%2eb.example",
        b"ex\0ample.org",
        b"\xff\xfe.example",
        "münchen.example".as_bytes(),
        b"192.0.2.7",
        b"2001:db8::1",
        b"0x7f.1",
        long.as_bytes(),
    ];
    for name in cases {
        let peek = built(&named(&[(0, name)]));
        assert!(matches!(peek, Peek::Malformed(_)), "{name:?} gave {peek:?}");
    }
}

#[test]
fn two_names_are_malformed_however_they_are_given() {
    let both: &[(u8, &[u8])] = &[(0, b"good.example"), (0, b"bad.example")];
    assert_eq!(
        built(&named(both)),
        Peek::Malformed("more than one server name")
    );
    let twice = [named(&both[..1]), named(&both[1..])].concat();
    assert_eq!(built(&twice), Peek::Malformed("extension given twice"));
    let same = [named(&both[..1]), named(&both[..1])].concat();
    assert_eq!(built(&same), Peek::Malformed("extension given twice"));
    let other_type = named(&[(1, b"bad.example")]);
    assert_eq!(
        built(&other_type),
        Peek::Malformed("server name of unknown type")
    );
}

#[test]
fn an_empty_or_overrun_name_list_is_malformed() {
    let cases: &[&[u8]] = &[
        &[],
        &[0],
        &[0, 0],
        &[0, 4, 0, 0, 9, b'a'],
        &[0, 4, 0, 0, 1, b'a', 0],
    ];
    for data in cases {
        let peek = built(&extension(0, data));
        assert!(matches!(peek, Peek::Malformed(_)), "{data:?} gave {peek:?}");
    }
}

#[test]
fn ech_and_its_draft_are_flagged_beside_the_outer_name() {
    for kind in [0xfe0d, 0xffce] {
        let outer = named(&[(0, b"public.example")]);
        let Peek::Hello(hello) = built(&[outer, extension(kind, &[0; 40])].concat()) else {
            panic!("not a hello");
        };
        assert!(hello.ech);
        assert_eq!(hello.sni.unwrap().as_str(), "public.example");
    }
    let Peek::Hello(plain) = built(&extension(0xfe0c, &[])) else {
        panic!("not a hello")
    };
    assert!(!plain.ech);
}

#[test]
fn a_hello_without_extensions_is_a_hello() {
    let mut body = body_with(&[]);
    body.truncate(body.len() - 2);
    let expected = Peek::Hello(Hello {
        sni: None,
        ech: false,
    });
    assert_eq!(parse(&record(&message_of(&body))), expected);
}

#[test]
fn other_protocols_are_not_tls_from_their_first_bytes() {
    let cases: &[&[u8]] = &[
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x05\x01\x00",
        b"\x04\x01\x00\x50",
        b"\x80\x2e\x01\x03\x01",
        b"\x17\x03\x03\x00\x10",
        b"\x16\x02",
        b"\x00",
    ];
    for bytes in cases {
        assert_eq!(parse(bytes), Peek::NotTls, "{bytes:?}");
    }
    assert_eq!(parse(&[]), Peek::More);
}

#[test]
fn broken_records_and_messages_are_malformed() {
    let hello = real("broken.example", None);
    let message = &hello[5..];
    let surplus = record(&[message, &[0]].concat());
    let alert_between = [record(&message[..9]), vec![21, 3, 1, 0, 2, 1, 0]].concat();
    let empty_record = [record(&message[..9]), record(&[])].concat();
    let cases: &[&[u8]] = &[
        &surplus,
        &alert_between,
        &empty_record,
        &[22, 3, 1, 0, 0],
        &[22, 3, 1, 0x40, 1],
        &[22, 3, 1, 0, 4, 2, 0, 0, 0],
        &[22, 3, 1, 0, 4, 1, 1, 0, 0],
        &[22, 3, 1, 0, 5, 1, 0, 0, 0],
    ];
    for bytes in cases {
        let peek = parse(bytes);
        assert!(
            matches!(peek, Peek::Malformed(_)),
            "{bytes:?} gave {peek:?}"
        );
    }
}

#[test]
fn a_hello_that_never_ends_is_refused_at_the_bound() {
    let endless: Vec<u8> = std::iter::once(record(&[1, 0, 0xf0, 0]))
        .chain(std::iter::repeat_with(|| record(&[0])))
        .flatten()
        .take(MAX_BYTES)
        .collect();
    assert_eq!(parse(&endless[..MAX_BYTES - 1]), Peek::More);
    assert_eq!(parse(&endless), Peek::Malformed("hello longer than 64 KiB"));
}

#[test]
fn no_changed_byte_makes_the_parser_fail_or_contradict_itself() {
    let hello = real("mutated.example", Some(100));
    for at in 0..hello.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = hello.clone();
            bytes[at] = value;
            let whole = parse(&bytes);
            for end in (0..bytes.len()).step_by(17) {
                let part = parse(&bytes[..end]);
                assert!(
                    part == Peek::More || part == whole,
                    "byte {at} = {value}, cut {end}"
                );
            }
        }
    }
}
