//! The threat model's classes as tables of raw bytes: one row a class, with what the client may get and what
//! the origin may see. Every table ends with a proxy that is healthy and never panicked.

mod answers;
mod descriptors;
mod evasion;
mod exhaustion;
mod framing;
mod origins;

use std::time::Duration;

use weir_tests::client::Client;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};

/// What the client may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// A 4xx (or 501, 505) of Weir's own, or nothing; then the end of the connection.
    Refused,
    /// As `Refused`, though the head may have gone to the origin before the body went wrong.
    Cut,
    /// 403 by the rule for gambling.
    Blocked,
    /// As many 200 as lines that the origin sees.
    Served,
    /// `Refused` or `Served`: RFC 9112 lets a recipient choose.
    RefusedOrServed,
}

/// A class of the threat model as bytes on a socket.
struct Row {
    name: &'static str,
    /// `{S}` stands for the authority of an open site, `{B}` for that of a listed one, `{P}` for its port.
    sent: &'static [u8],
    outcome: Outcome,
    /// Request lines that the origin may see, in order.
    origin: &'static [&'static str],
}

const fn row(name: &'static str, sent: &'static [u8], outcome: Outcome) -> Row {
    Row {
        name,
        sent,
        outcome,
        origin: &[],
    }
}

const fn refused(name: &'static str, sent: &'static [u8]) -> Row {
    row(name, sent, Outcome::Refused)
}

const fn blocked(name: &'static str, sent: &'static [u8]) -> Row {
    row(name, sent, Outcome::Blocked)
}

const fn cut(name: &'static str, sent: &'static [u8]) -> Row {
    row(name, sent, Outcome::Cut)
}

const fn served(name: &'static str, sent: &'static [u8], origin: &'static [&'static str]) -> Row {
    Row {
        name,
        sent,
        outcome: Outcome::Served,
        origin,
    }
}

const fn either(name: &'static str, sent: &'static [u8], origin: &'static [&'static str]) -> Row {
    Row {
        name,
        sent,
        outcome: Outcome::RefusedOrServed,
        origin,
    }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            out.extend_from_slice(to.as_bytes());
            at += from.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

impl Row {
    fn bytes(&self, port: u16) -> Vec<u8> {
        let bytes = replaced(self.sent, "{S}", &format!("site.test:{port}"));
        let bytes = replaced(&bytes, "{B}", &format!("bet.test:{port}"));
        replaced(&bytes, "{P}", &port.to_string())
    }

    /// Runs the row on a connection of its own; gives what went wrong.
    fn run(&self, weir: &Weir, origin: &Origin) -> Result<(), String> {
        let before = origin.requests().len();
        let mut client = weir.client();
        let _ = client.try_send(self.bytes(origin.port()));
        let expected = match self.outcome {
            Outcome::Refused | Outcome::Cut => usize::MAX,
            Outcome::Blocked => 1,
            Outcome::Served | Outcome::RefusedOrServed => self.origin.len(),
        };
        let (statuses, closed) = statuses(&mut client, expected);
        std::thread::sleep(Duration::from_millis(20));
        let seen = origin.requests().split_off(before);
        let lines: Vec<&str> = seen.iter().map(|seen| seen.head.line.as_str()).collect();
        let ok = statuses.iter().filter(|status| **status == 200).count();
        // The client is at fault, and told so.
        let own = statuses
            .iter()
            .all(|status| matches!(status, 400..=499 | 501 | 505));
        let was_refused = own && statuses.len() <= 1 && closed && lines.is_empty();
        let was_served = ok == self.origin.len() && ok == statuses.len() && lines == self.origin;
        let fits = match self.outcome {
            Outcome::Refused => was_refused,
            Outcome::Cut => {
                let whole = seen
                    .iter()
                    .any(|seen| seen.body.complete && !seen.body.bytes.is_empty());
                own && closed && lines.len() <= 1 && !whole
            }
            Outcome::Blocked => statuses == [403] && lines.is_empty(),
            Outcome::Served => was_served,
            Outcome::RefusedOrServed => was_refused || was_served,
        };
        match fits {
            true => Ok(()),
            false => Err(format!(
                "{}: expected {:?} {:?}, got {statuses:?}, closed: {closed}, origin saw {lines:?}",
                self.name, self.outcome, self.origin
            )),
        }
    }
}

/// Every final status until the connection ends or is silent, and whether it ended. Silence is short once
/// as many have come as were expected, and two seconds before.
fn statuses(client: &mut Client, expected: usize) -> (Vec<u16>, bool) {
    let mut statuses = Vec::new();
    loop {
        let wait = if statuses.len() < expected { 2000 } else { 150 };
        client.patience(Duration::from_millis(wait));
        match client.response("GET") {
            Ok(response) => statuses.push(response.status),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return (statuses, false);
            }
            Err(error) if weir_tests::wire::is_cut(&error) => return (statuses, true),
            Err(_) => {
                statuses.push(0);
                return (statuses, true);
            }
        }
    }
}

/// A site with an open and a listed name that both lead to one strict origin.
fn range() -> (Site, Origin) {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.hosts(&[
        "site.test",
        "bet.test",
        "www.bet.test",
        "notbet.test",
        "bet.test.site.test",
        "be.test",
    ]);
    site.list(
        "gambling",
        "domains",
        "bet.test\ncasino.test\nb\u{fc}cher.test\n",
    );
    site.list("gambling", "urls", "site.test/casino\n");
    (site, origin)
}

/// Runs a whole table and reports every row that does not fit.
fn run(rows: &[Row]) {
    let (site, origin) = range();
    let weir = site.start();
    let faults: Vec<String> = rows
        .iter()
        .filter_map(|row| row.run(&weir, &origin).err())
        .collect();
    assert!(
        faults.is_empty(),
        "{} of {} rows:\n{}",
        faults.len(),
        rows.len(),
        faults.join("\n")
    );
    unharmed(&weir, &origin);
}

/// Weir still serves and no task of it panicked (threats §5).
fn unharmed(weir: &Weir, origin: &Origin) {
    assert_eq!(
        weir.get(&origin.url("site.test", "/alive")).text(),
        "GET /alive"
    );
    assert_eq!(weir.health().status, 200);
    assert!(weir.metric("weir_panics") < 1.0, "a task panicked");
}
