//! Threats §2: ways around the filter that plain HTTP and an undecrypted CONNECT leave.

use weir_tests::client::Request;
use weir_tests::origin::Origin;
use weir_tests::site::own_ip;

use super::{Row, blocked, either, range, refused, run, served, unharmed};

const ROOT: &[&str] = &["GET / HTTP/1.1"];

#[test]
fn every_spelling_of_a_listed_name_is_blocked_or_refused() {
    run(&[
        blocked("plain", b"GET http://{B}/ HTTP/1.1\r\nHost: {B}\r\n\r\n"),
        blocked("upper case", b"GET http://BET.TEST:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        blocked("mixed case and scheme", b"GET HTTP://bEt.tEsT:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        blocked("root dot", b"GET http://bet.test.:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        blocked("below", b"GET http://a.b.bet.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        blocked("listed in letters, asked in punycode", b"GET http://xn--bcher-kva.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        blocked("punycode in upper case", b"GET http://XN--BCHER-KVA.TEST:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("two root dots", b"GET http://bet.test..:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("empty label", b"GET http://bet..test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("leading dot", b"GET http://.bet.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("percent-encoded letter", b"GET http://%62et.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("percent-encoded dot", b"GET http://bet%2etest:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("percent-encoded NUL", b"GET http://bet.test%00:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("full-width letters", b"GET http://\xef\xbd\x82et.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("ideographic dot", b"GET http://bet\xe3\x80\x82test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("soft hyphen", b"GET http://be\xc2\xadt.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("letters instead of punycode", b"GET http://b\xc3\xbccher.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("masked punycode", b"GET http://xn--bet-.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("broken punycode", b"GET http://xn--\x7f.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("label of 64", b"GET http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bet.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("quote in the name", b"GET http://bet.test':{P}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    ]);
}

#[test]
fn near_misses_of_a_listed_name_pass() {
    run(&[
        served(
            "longer label",
            b"GET http://notbet.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n",
            ROOT,
        ),
        served(
            "listed in the middle",
            b"GET http://bet.test.site.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n",
            ROOT,
        ),
        served(
            "shorter label",
            b"GET http://be.test:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n",
            ROOT,
        ),
        served(
            "listed in the query",
            b"GET http://{S}/?u=http://bet.test/ HTTP/1.1\r\nHost: x\r\n\r\n",
            &["GET /?u=http://bet.test/ HTTP/1.1"],
        ),
    ]);
}

#[test]
fn targets_are_read_by_one_strict_parser() {
    run(&[
        refused(
            "userinfo",
            b"GET http://site.test@{B}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "listed name as userinfo",
            b"GET http://bet.test@{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "userinfo with password",
            b"GET http://a:b@{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "backslash before userinfo",
            b"GET http://{S}\\@{B}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "backslash in the authority",
            b"GET http:\\\\{S}\\ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused("one slash", b"GET http:/{B}/ HTTP/1.1\r\nHost: {S}\r\n\r\n"),
        refused("no slash", b"GET http:{B}/ HTTP/1.1\r\nHost: {S}\r\n\r\n"),
        refused(
            "three slashes",
            b"GET http:///{B}/ HTTP/1.1\r\nHost: {S}\r\n\r\n",
        ),
        refused("no authority", b"GET http:// HTTP/1.1\r\nHost: {S}\r\n\r\n"),
        refused(
            "tab in the target",
            b"GET http://{S}/a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "fragment",
            b"GET http://{S}/#http://{B}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "origin-form without a tunnel",
            b"GET / HTTP/1.1\r\nHost: {S}\r\n\r\n",
        ),
        refused("authority alone", b"GET {S} HTTP/1.1\r\nHost: {S}\r\n\r\n"),
        refused(
            "scheme-relative",
            b"GET //{S}/ HTTP/1.1\r\nHost: {S}\r\n\r\n",
        ),
        refused("ftp", b"GET ftp://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused(
            "file",
            b"GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "websocket scheme",
            b"GET ws://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "port 0",
            b"GET http://site.test:0/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "port 65536",
            b"GET http://site.test:65536/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "port that wraps to 80",
            b"GET http://site.test:4294967376/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "port with a sign",
            b"GET http://site.test:+80/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "port in hexadecimal",
            b"GET http://site.test:0x50/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "two ports",
            b"GET http://site.test:80:{P}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "NUL in the target",
            b"GET http://{S}/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "space in the target",
            b"GET http://{S}/a b HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
    ]);
}

#[test]
fn a_listed_path_is_blocked_in_every_spelling() {
    const CASINOS: &[&str] = &["GET /casinos HTTP/1.1"];
    const DOUBLE: &[&str] = &["GET /%2563asino HTTP/1.1"];
    run(&[
        blocked(
            "plain",
            b"GET http://{S}/casino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "with a query",
            b"GET http://{S}/casino?a=b HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "encoded letter",
            b"GET http://{S}/%63asino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "encoded in lower hex",
            b"GET http://{S}/casin%6f HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "dot segment",
            b"GET http://{S}/./casino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "up and down",
            b"GET http://{S}/x/../casino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "encoded dot segments",
            b"GET http://{S}/x/%2e%2E/casino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "above the root",
            b"GET http://{S}/../../casino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "double slash",
            b"GET http://{S}//casino HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "an invalid triplet later",
            b"GET http://{S}/casino/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        blocked(
            "an invalid triplet in the query",
            b"GET http://{S}/casino?%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        served(
            "a longer word",
            b"GET http://{S}/casinos HTTP/1.1\r\nHost: x\r\n\r\n",
            CASINOS,
        ),
        served(
            "encoded twice is another path",
            b"GET http://{S}/%2563asino HTTP/1.1\r\nHost: x\r\n\r\n",
            DOUBLE,
        ),
    ]);
}

#[test]
fn the_target_decides_and_host_fields_do_not() {
    run(&[
        blocked("listed target, open Host", b"GET http://{B}/ HTTP/1.1\r\nHost: {S}\r\n\r\n"),
        served("open target, listed Host", b"GET http://{S}/ HTTP/1.1\r\nHost: {B}\r\n\r\n", ROOT),
        refused("two Hosts", b"GET http://{S}/ HTTP/1.1\r\nHost: {S}\r\nHost: {B}\r\n\r\n"),
        refused("the same Host twice", b"GET http://{S}/ HTTP/1.1\r\nHost: {S}\r\nHost: {S}\r\n\r\n"),
        refused("no Host", b"GET http://{S}/ HTTP/1.1\r\nAccept: a/b\r\n\r\n"),
        refused("two names in one Host", b"GET http://{S}/ HTTP/1.1\r\nHost: {S}, {B}\r\n\r\n"),
        refused("Host with a space", b"GET http://{S}/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
        refused("Host with a path", b"GET http://{S}/ HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        blocked("override fields", b"GET http://{B}/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: {S}\r\nX-Host: {S}\r\nX-Original-URL: /\r\nForwarded: host={S}\r\n\r\n"),
        served("override fields to a listed name", b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: {B}\r\nX-Original-URL: http://{B}/\r\nX-HTTP-Method-Override: CONNECT\r\n\r\n", ROOT),
    ]);
}

#[test]
fn the_origin_is_told_the_host_that_was_decided_on() {
    let (site, origin) = range();
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/")).field("Host", "bet.test");
    assert_eq!(weir.ask(&request).status, 200);
    assert_eq!(
        origin.last().head.all("host"),
        [format!("site.test:{}", origin.port())]
    );
    unharmed(&weir, &origin);
}

#[test]
fn connect_names_one_host_and_one_port() {
    run(&[
        refused("no port", b"CONNECT site.test HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("no host", b"CONNECT :443 HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("port 0", b"CONNECT site.test:0 HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("port out of range", b"CONNECT site.test:65979 HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("absolute-form", b"CONNECT http://site.test:443/ HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("userinfo", b"CONNECT a@site.test:443 HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("path", b"CONNECT site.test:443/x HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        refused("two Hosts", b"CONNECT site.test:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        refused("no Host", b"CONNECT site.test:443 HTTP/1.1\r\n\r\n"),
        refused("a body", b"CONNECT site.test:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
        refused("a coded body", b"CONNECT site.test:443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        refused("another port", b"CONNECT site.test:22 HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("decimal address", b"CONNECT 2130706433:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("short address", b"CONNECT 127.1:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused("zone id", b"CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
        blocked("listed", b"CONNECT bet.test:443 HTTP/1.1\r\nHost: site.test\r\n\r\n"),
        blocked("listed, spelt otherwise", b"CONNECT Bet.TEST.:443 HTTP/1.1\r\nHost: site.test\r\n\r\n"),
    ]);
}

#[test]
fn other_versions_and_protocols_than_http_1_are_refused() {
    run(&[
        refused(
            "HTTP/2 preface",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        refused(
            "TLS to the proxy",
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        ),
        refused("SOCKS 5", b"\x05\x01\x00\r\n\r\n"),
        refused("SOCKS 4", b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00\r\n\r\n"),
        refused(
            "PROXY protocol",
            b"PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\nGET http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused("HTTP/0.9", b"GET http://{S}/\r\n\r\n"),
        refused("HTTP/3.0", b"GET http://{S}/ HTTP/3.0\r\nHost: x\r\n\r\n"),
        refused(
            "lower-case version",
            b"GET http://{S}/ http/1.1\r\nHost: x\r\n\r\n",
        ),
        either(
            "HTTP/1.2",
            b"GET http://{S}/ HTTP/1.2\r\nHost: x\r\n\r\n",
            ROOT,
        ),
    ]);
}

#[test]
fn a_quota_of_connections_cannot_hide_a_user_from_a_rule() {
    // One name, one decision: every one of many parallel connections meets the same rule.
    let (site, _) = range();
    let origin = Origin::standard(own_ip());
    let weir = site.start();
    let mut clients: Vec<_> = (0..64).map(|_| weir.client()).collect();
    let blocked = Request::get(&origin.url("bet.test", "/")).bytes();
    clients.iter_mut().for_each(|client| client.send(&blocked));
    assert!(
        clients
            .iter_mut()
            .all(|client| client.response("GET").unwrap().status == 403)
    );
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn every_row_of_a_table_fills_its_placeholders() {
    let row: Row = served("x", b"GET http://{S}/{P} {B}", ROOT);
    assert_eq!(row.bytes(7), b"GET http://site.test:7/7 bet.test:7");
}
