#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::CNAME;
use tokio::net::UdpSocket;
use weir_host::Host;

use super::*;

pub(crate) fn settings(
    server: SocketAddr,
    hosts: BTreeMap<Name, Vec<IpAddr>>,
) -> weir_config::Resolver {
    weir_config::Resolver {
        servers: vec![server],
        timeout: Duration::from_millis(200),
        attempts: 1,
        cache_entries: 64,
        minimum_ttl: Duration::from_millis(20),
        maximum_ttl: Duration::from_secs(3600),
        hosts,
    }
}

/// What the name server does with a question.
type Mode = fn(&DnsName, RecordType) -> Option<(ResponseCode, Vec<RData>)>;

/// A name server on a local port that counts its questions.
struct Server {
    address: SocketAddr,
    questions: AtomicUsize,
    mode: Mutex<Mode>,
}

impl Server {
    async fn start(mode: Mode) -> Arc<Server> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (questions, mode) = (AtomicUsize::new(0), Mutex::new(mode));
        let server = Arc::new(Server {
            address,
            questions,
            mode,
        });
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(&socket).await });
        server
    }

    async fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 1500];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            self.questions.fetch_add(1, Ordering::SeqCst);
            if let Some(answer) = self.answer(&Message::from_vec(&buffer[..length]).unwrap()) {
                socket
                    .send_to(&answer.to_vec().unwrap(), client)
                    .await
                    .unwrap();
            }
        }
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        let query = question.queries.first().unwrap().clone();
        let mode = *self.mode.lock().unwrap();
        let (code, data) = mode(query.name(), query.query_type())?;
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.response_code = code;
        let mut owner = query.name().clone();
        for data in data {
            let next = if let RData::CNAME(CNAME(target)) = &data {
                Some(target.clone())
            } else {
                None
            };
            answer.add_answer(Record::from_rdata(owner.clone(), 1, data));
            owner = next.unwrap_or(owner);
        }
        answer.add_query(query);
        Some(answer)
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn names(&self) -> Names {
        self.names_with(BTreeMap::new())
    }

    fn names_with(&self, hosts: BTreeMap<Name, Vec<IpAddr>>) -> Names {
        let mut settings = settings(self.address, hosts);
        // hickory's own cache would hide what the thread's cache does.
        settings.cache_entries = 0;
        Names::new(Resolver::new(&settings, Handle::current()).unwrap(), 4)
    }

    fn asked(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

fn v4(last: u8) -> RData {
    RData::A(std::net::Ipv4Addr::new(192, 0, 2, last).into())
}

fn v6(last: u16) -> RData {
    RData::AAAA(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into())
}

fn both(_: &DnsName, kind: RecordType) -> Option<(ResponseCode, Vec<RData>)> {
    let data = if kind == RecordType::A {
        vec![v4(1), v4(2)]
    } else {
        vec![v6(1)]
    };
    Some((ResponseCode::NoError, data))
}

fn only_v4(_: &DnsName, kind: RecordType) -> Option<(ResponseCode, Vec<RData>)> {
    Some((
        ResponseCode::NoError,
        if kind == RecordType::A {
            vec![v4(1)]
        } else {
            vec![]
        },
    ))
}

fn silent(_: &DnsName, _: RecordType) -> Option<(ResponseCode, Vec<RData>)> {
    None
}

fn nothing(_: &DnsName, _: RecordType) -> Option<(ResponseCode, Vec<RData>)> {
    Some((ResponseCode::NXDomain, vec![]))
}

async fn lookup(names: &Names, host: &str) -> Result<Vec<String>, ResolveError> {
    let found = names
        .lookup(&Host::parse(host).unwrap(), Duration::from_secs(5))
        .await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_name_has_the_addresses_of_both_families_ipv6_first() {
    let server = Server::start(both).await;
    let found = lookup(&server.names(), "both.example").await.unwrap();
    assert_eq!(found, ["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
}

#[tokio::test]
async fn an_address_is_its_own_and_asks_nobody() {
    let server = Server::start(silent).await;
    let names = server.names();
    assert_eq!(lookup(&names, "192.0.2.9").await.unwrap(), ["192.0.2.9"]);
    assert_eq!(
        lookup(&names, "[2001:db8::9]").await.unwrap(),
        ["2001:db8::9"]
    );
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn configured_hosts_always_win() {
    let server = Server::start(both).await;
    let name = Host::parse("both.example")
        .unwrap()
        .as_name()
        .unwrap()
        .clone();
    let names = server.names_with(BTreeMap::from([(name, vec!["10.0.0.1".parse().unwrap()])]));
    assert_eq!(lookup(&names, "both.example").await.unwrap(), ["10.0.0.1"]);
    assert_eq!(server.asked(), 0);
    lookup(&names, "www.both.example").await.unwrap();
    assert_eq!(server.asked(), 2, "only the very name is configured");
}

#[tokio::test]
async fn an_answer_serves_until_its_time_and_is_then_asked_for_again() {
    let server = Server::start(both).await;
    let names = server.names();
    for _ in 0..5 {
        lookup(&names, "both.example").await.unwrap();
    }
    assert_eq!(server.asked(), 2);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    lookup(&names, "both.example").await.unwrap();
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_lookup() {
    let server = Server::start(both).await;
    let names = server.names();
    let together = (0..20).map(|_| lookup(&names, "both.example"));
    for found in futures_util::future::join_all(together).await {
        assert_eq!(found.unwrap().len(), 3);
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_lookup_whose_first_asker_gave_up_still_serves_the_next() {
    let server = Server::start(both).await;
    let names = server.names();
    let host = Host::parse("both.example").unwrap();
    let gone = names.lookup(&host, Duration::from_secs(5)).now_or_never();
    assert!(gone.is_none(), "answered without asking");
    assert_eq!(lookup(&names, "both.example").await.unwrap().len(), 3);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_server_that_ignores_aaaa_costs_no_more_than_the_resolution_delay() {
    let server = Server::start(|name, kind| {
        if kind == RecordType::AAAA {
            None
        } else {
            only_v4(name, kind)
        }
    });
    let server = server.await;
    let began = Instant::now();
    assert_eq!(
        lookup(&server.names(), "slow.example").await.unwrap(),
        ["192.0.2.1"]
    );
    assert!(
        began.elapsed() < Duration::from_millis(180),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn an_alias_is_followed() {
    let server = Server::start(|name, kind| {
        let target = DnsName::from_ascii("target.example.").unwrap();
        let (code, mut data) = only_v4(name, kind)?;
        data.insert(0, RData::CNAME(CNAME(target)));
        Some((code, data))
    });
    let server = server.await;
    assert_eq!(
        lookup(&server.names(), "alias.example").await.unwrap(),
        ["192.0.2.1"]
    );
}

#[tokio::test]
async fn failures_are_told_apart_and_remembered_shortly() {
    let cases: [(Mode, ResolveError); 4] = [
        (nothing, ResolveError::NoSuchName),
        (
            |_, _| Some((ResponseCode::NoError, vec![])),
            ResolveError::NoAddress,
        ),
        (
            |_, _| Some((ResponseCode::ServFail, vec![])),
            ResolveError::Failed,
        ),
        (silent, ResolveError::Timeout),
    ];
    for (mode, expected) in cases {
        let server = Server::start(mode).await;
        let names = server.names();
        assert_eq!(lookup(&names, "bad.example").await.unwrap_err(), expected);
        let asked = server.asked();
        assert_eq!(lookup(&names, "bad.example").await.unwrap_err(), expected);
        assert_eq!(server.asked(), asked, "{expected}: asked again at once");
    }
}

#[tokio::test]
async fn while_the_servers_fail_the_last_answer_still_serves() {
    let server = Server::start(both).await;
    let names = server.names();
    lookup(&names, "both.example").await.unwrap();
    server.set(silent);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(lookup(&names, "both.example").await.unwrap().len(), 3);
    assert_eq!(
        lookup(&names, "other.example").await.unwrap_err(),
        ResolveError::Timeout
    );
}

#[tokio::test]
async fn a_name_that_is_gone_does_not_go_on_serving() {
    let server = Server::start(both).await;
    let names = server.names();
    lookup(&names, "both.example").await.unwrap();
    server.set(nothing);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        lookup(&names, "both.example").await.unwrap_err(),
        ResolveError::NoSuchName
    );
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let server = Server::start(both).await;
    let names = server.names();
    for number in 0..20 {
        lookup(&names, &format!("n{number}.example")).await.unwrap();
        assert!(names.len() <= 4);
    }
}

#[tokio::test]
async fn a_flood_of_addresses_is_cut() {
    let server = Server::start(|_, kind| {
        let data = if kind == RecordType::A {
            (1..=40).map(v4).collect()
        } else {
            vec![]
        };
        Some((ResponseCode::NoError, data))
    });
    let server = server.await;
    assert_eq!(
        lookup(&server.names(), "many.example").await.unwrap().len(),
        MAX_ADDRESSES
    );
}

#[tokio::test]
async fn nothing_but_the_name_itself_is_asked_for() {
    let server = Server::start(|name, kind| {
        assert!(matches!(kind, RecordType::A | RecordType::AAAA));
        assert_eq!(name.to_ascii(), "intranet.");
        nothing(name, kind)
    });
    let server = server.await;
    assert_eq!(
        lookup(&server.names(), "intranet").await.unwrap_err(),
        ResolveError::NoSuchName
    );
}
