//! A steady load of every kind of request that Weir decides, and what its clients saw of each.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use weir_tests::client::{Client, Request};
use weir_tests::origin::Origin;
use weir_tests::tls;

/// What was asked, by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A request for a page, also one inside a tunnel.
    Page,
    /// A CONNECT to a port of plain HTTP.
    Tunnel,
    /// A CONNECT with this name in the TLS hello, and whether the origin was reached; `None` where the CONNECT was refused.
    Hello { sni: String, reached: Option<bool> },
}

/// One request and its answer, as the client saw them.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) asked: Asked,
    pub(super) host: String,
    pub(super) status: u16,
    /// The event that a refusal shows.
    pub(super) event: String,
    /// Of the client's end: with the order it tells which row this is.
    pub(super) port: u16,
    pub(super) begun: Instant,
    pub(super) answered: Instant,
}

/// Where the load goes.
#[derive(Clone)]
pub(super) struct Targets {
    pub(super) proxy: SocketAddr,
    /// Plain HTTP.
    pub(super) web: Origin,
    /// Answers a byte to whatever comes first.
    pub(super) secure: Origin,
    /// Asked for in turn, by chance.
    pub(super) names: Arc<[String]>,
}

/// Clients at work until it is stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<Sent>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Numbers that look like chance and are the same in every run.
pub(super) struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// One client.
struct Worker {
    targets: Targets,
    chance: Chance,
    sent: Arc<Mutex<Vec<Sent>>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Two clients on connections that stay, one on new ones, one in tunnels of plain HTTP, two in tunnels of TLS: one that
    /// says its hello at once, one that keeps the tunnel waiting across changes of the lists.
    pub(super) fn start(targets: &Targets) -> Load {
        let (stop, sent) = (Arc::default(), Arc::default());
        let work: [fn(&mut Worker); 6] = [
            Worker::on_one_connection,
            Worker::on_one_connection,
            Worker::on_new_connections,
            Worker::in_tunnels,
            |worker| worker.in_tls_tunnels(&[0, 5]),
            |worker| worker.in_tls_tunnels(&[300, 700, 1300]),
        ];
        let threads = (1..).zip(work).map(|(seed, work)| {
            let mut worker = Worker {
                targets: targets.clone(),
                chance: Chance(seed),
                sent: Arc::clone(&sent),
                stop: Arc::clone(&stop),
            };
            std::thread::spawn(move || work(&mut worker))
        });
        let threads = threads.collect();
        Load {
            stop,
            sent,
            threads,
        }
    }

    /// Ends it; gives all that was sent.
    ///
    /// # Panics
    /// When a client met something that it must not.
    pub(super) fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("every request was answered");
        }
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// So that a test fails at once and not at its end.
    pub(super) fn is_well(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }
}

impl Worker {
    fn goes_on(&self) -> bool {
        // Enough to meet every moment of a change, and not so much that the machine is busy with it alone.
        std::thread::sleep(Duration::from_millis(4));
        !self.stop.load(Ordering::Relaxed)
    }

    fn name(&mut self) -> String {
        let at = self.chance.below(self.targets.names.len());
        self.targets.names[at].clone()
    }

    fn note(&self, sent: Sent) {
        self.sent.lock().unwrap().push(sent);
    }

    /// Asks for a page; true when the connection may be used again.
    fn page(&self, client: &mut Client, host: String, request: &Request) -> bool {
        let port = port(client);
        let begun = Instant::now();
        let answer = client.ask(request);
        self.note(Sent {
            asked: Asked::Page,
            host,
            status: answer.status,
            event: answer.field("weir-event").to_owned(),
            port,
            begun,
            answered: Instant::now(),
        });
        !answer.field("connection").eq_ignore_ascii_case("close")
    }

    fn on_one_connection(&mut self) {
        let mut client = Client::connect(self.targets.proxy);
        while self.goes_on() {
            let host = self.name();
            let request = Request::get(&self.targets.web.url(&host, "/"));
            if !self.page(&mut client, host, &request) {
                client = Client::connect(self.targets.proxy);
            }
        }
    }

    fn on_new_connections(&mut self) {
        while self.goes_on() {
            let host = self.name();
            let request = Request::get(&self.targets.web.url(&host, "/"));
            self.page(&mut Client::connect(self.targets.proxy), host, &request);
        }
    }

    /// Opens a tunnel; nothing where it is refused.
    fn tunnel(&self, host: &str, to: u16, sent: &mut Sent) -> Option<Client> {
        let client = Client::connect(self.targets.proxy);
        sent.port = port(&client);
        sent.begun = Instant::now();
        let opened = client.tunnel(&format!("{host}:{to}"), None);
        sent.answered = Instant::now();
        match opened {
            Ok(client) => {
                sent.status = 200;
                Some(client)
            }
            Err(refused) => {
                sent.status = refused.status;
                sent.event = refused.field("weir-event").to_owned();
                None
            }
        }
    }

    fn in_tunnels(&mut self) {
        while self.goes_on() {
            let host = self.name();
            let mut sent = blank(Asked::Tunnel, &host);
            let opened = self.tunnel(&host, self.targets.web.port(), &mut sent);
            self.note(sent);
            let Some(mut client) = opened else { continue };
            let authority = format!("{host}:{}", self.targets.web.port());
            for _ in 0..self.chance.below(30) {
                let request = Request::get("/").field("Host", &authority);
                let kept = self.page(&mut client, host.clone(), &request);
                if !kept || !self.goes_on() {
                    break;
                }
            }
        }
    }

    /// The hello follows the tunnel after one of these waits, in milliseconds.
    fn in_tls_tunnels(&mut self, waits: &[u64]) {
        while self.goes_on() {
            let (host, sni) = (self.name(), self.name());
            let asked = Asked::Hello {
                sni: sni.clone(),
                reached: None,
            };
            let mut sent = blank(asked, &host);
            let opened = self.tunnel(&host, self.targets.secure.port(), &mut sent);
            if let Some(mut client) = opened {
                let wait = waits[self.chance.below(waits.len())];
                std::thread::sleep(Duration::from_millis(wait));
                client.send(tls::hello(Some(&sni)).unwrap());
                let mut byte = [0];
                let reached = matches!(client.read(&mut byte), Ok(1));
                sent.asked = Asked::Hello {
                    sni,
                    reached: Some(reached),
                };
            }
            self.note(sent);
        }
    }
}

fn port(client: &Client) -> u16 {
    client.socket().local_addr().unwrap().port()
}

fn blank(asked: Asked, host: &str) -> Sent {
    Sent {
        asked,
        host: host.to_owned(),
        status: 0,
        event: String::new(),
        port: 0,
        begun: Instant::now(),
        answered: Instant::now(),
    }
}
