//! Logins that belong to a connection (NTLM, Negotiate): nobody else may come upon them.

use std::sync::{Arc, Mutex};

use weir_tests::client::Request;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};

/// One thread, so that there is one pool of origin connections.
fn one_thread() -> Site {
    let mut site = Site::new();
    site.hosts(&["site.test"]).set("threads", "1");
    site
}

/// Says which of its connections carried the request.
fn numbered(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    let number = exchange.connection.to_string();
    exchange.respond("200 OK", "", number)
}

fn carried_by(weir: &Weir, origin: &Origin, field: Option<(&str, &str)>) -> String {
    let request = Request::get(&origin.url("site.test", "/"));
    let request = match field {
        Some((name, value)) => request.field(name, value),
        None => request,
    };
    weir.ask(&request).text()
}

#[test]
fn a_connection_that_somebody_signed_in_on_carries_nobody_elses_requests() {
    // Threats §3: never shared after a 401/NTLM exchange. One leg of Kerberos ends with a plain 200.
    for value in ["Negotiate YIIabc", "NTLM TlRMTVNTUAADAAAA", "negotiate x"] {
        let (site, origin) = (one_thread(), Origin::http(own_ip(), numbered));
        let weir = site.start();
        let signed_in = carried_by(&weir, &origin, Some(("Authorization", value)));
        let another = carried_by(&weir, &origin, None);
        assert_ne!(signed_in, another, "{value}");
    }
}

#[test]
fn a_login_of_a_connection_never_begins_on_one_that_others_used() {
    let (site, origin) = (one_thread(), Origin::http(own_ip(), numbered));
    let weir = site.start();
    let before = carried_by(&weir, &origin, None);
    assert_eq!(carried_by(&weir, &origin, None), before, "it is pooled");
    let login = Some(("Authorization", "Negotiate YIIabc"));
    assert_ne!(carried_by(&weir, &origin, login), before);
    assert_eq!(
        carried_by(&weir, &origin, Some(("Authorization", "Basic YTpi"))),
        before,
        "a password of each request binds nothing"
    );
}

#[test]
fn what_an_origin_calls_a_lasting_login_is_not_shared() {
    let origin = Origin::http(own_ip(), |exchange| {
        let number = exchange.connection.to_string();
        exchange.respond("200 OK", "Persistent-Auth: true\r\n", number)
    });
    let site = one_thread();
    let weir = site.start();
    assert_ne!(
        carried_by(&weir, &origin, None),
        carried_by(&weir, &origin, None)
    );
}

/// The three legs of NTLM, each of which must arrive on the connection of the one before; afterwards
/// the connection is the user's.
fn ntlm(states: &Mutex<Vec<u8>>, exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    let leg = exchange.head.get("authorization").map(str::to_owned);
    let state = {
        let mut states = states.lock().unwrap();
        let at = exchange.connection;
        if states.len() <= at {
            states.resize(at + 1, 0);
        }
        states[at] = match (leg.as_deref(), states[at]) {
            (Some("NTLM one"), _) => 1,
            (Some("NTLM three"), 1) => 2,
            (None, state) => state,
            _ => 0,
        };
        states[at]
    };
    match state {
        0 => exchange.respond("401 Unauthorized", "WWW-Authenticate: NTLM\r\n", ""),
        1 => exchange.respond("401 Unauthorized", "WWW-Authenticate: NTLM two\r\n", ""),
        _ => exchange.respond("200 OK", "", "welcome"),
    }
}

#[test]
fn ntlm_signs_in_through_weir_and_lasts_for_its_client_alone() {
    let states = Arc::new(Mutex::new(Vec::new()));
    let origin = Origin::http(own_ip(), move |exchange| ntlm(&states, exchange));
    let elsewhere = Origin::standard(own_ip());
    let site = one_thread();
    let weir = site.start();
    let url = origin.url("site.test", "/");
    let mut client = weir.client();
    let asked = client.get(&url);
    assert_eq!(asked.status, 401);
    assert_eq!(
        asked.field("proxy-support"),
        "Session-Based-Authentication",
        "RFC 4559 §6"
    );
    let leg = |value| Request::get(&url).field("Authorization", value);
    assert_eq!(client.ask(&leg("NTLM one")).status, 401);
    // Browsers ask several sites over one connection to a proxy.
    assert_eq!(client.get(&elsewhere.url("site.test", "/")).status, 200);
    assert_eq!(client.ask(&leg("NTLM three")).text(), "welcome");
    assert_eq!(client.get(&url).text(), "welcome", "it lasts");
    assert_eq!(weir.get(&url).status, 401, "another client");
    assert_eq!(
        client.get(&url).text(),
        "welcome",
        "and is not lost by that"
    );
}

#[test]
fn a_login_ends_when_another_person_asks_on_the_same_client_connection() {
    let (site, origin) = (one_thread(), Origin::http(own_ip(), numbered));
    for name in ["anna", "ben"] {
        site.user(name, "correct horse", &["pupils"]);
    }
    let weir = site.start();
    let mut client = weir.client();
    let ask = |name| Request::get(&origin.url("site.test", "/")).user(name, "correct horse");
    let login = ask("anna").field("Authorization", "Negotiate YIIabc");
    let annas = client.ask(&login).text();
    assert_eq!(client.ask(&ask("anna")).text(), annas);
    assert_ne!(client.ask(&ask("ben")).text(), annas);
}
