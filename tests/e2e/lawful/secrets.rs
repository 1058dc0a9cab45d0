//! A corpus of secrets is sent through Weir in every place where one can stand, and no byte of it is found anywhere afterwards
//! (LM-10).

use std::path::Path;
use std::time::Duration;

use weir_tests::client::Request;
use weir_tests::process::Weir;
use weir_tests::site::Site;
use weir_tests::tls;

use crate::lab;

/// Fails when one of `words` stands in a file of the site's state or log, as it is, turned into hexadecimal digits or base64,
/// or in what the records say when they are read.
pub(super) fn nowhere(site: &Site, words: &[&str]) {
    let mut files = Vec::new();
    gather(&site.path("state"), &mut files);
    files.push(site.path("log"));
    assert!(
        files
            .iter()
            .any(|file| file.to_string_lossy().contains("records"))
    );
    for file in files {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for word in words {
            assert!(!holds(&bytes, word), "{word} stands in {}", file.display());
        }
    }
    let read = format!("{:?}", site.records(&[]));
    for word in words {
        assert!(
            !holds(read.as_bytes(), word),
            "{word} is read from the records"
        );
    }
}

fn gather(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => gather(&path, files),
            path => files.push(path),
        }
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    use base64::Engine;
    let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(word);
    [word, &hex, &base64].iter().any(|form| {
        let form = form.as_bytes();
        bytes
            .windows(form.len())
            .any(|window| window.eq_ignore_ascii_case(form))
    })
}

/// Makes secrets that are all different, and remembers them.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    /// One that no rule knows by its look.
    fn plain(&mut self) -> String {
        self.push(format!("hunter{}zq", self.0.len() + 100))
    }

    /// One in a form that services use.
    fn token(&mut self, start: &str) -> String {
        let number = self.0.len() + 100;
        self.push(format!("{start}Ab3{number}xYz9{number}QrS7{number}"))
    }

    fn push(&mut self, secret: String) -> String {
        self.0.push(secret.clone());
        secret
    }
}

/// Everything that carries a secret in a request to `url`, a base without path.
fn requests(secrets: &mut Secrets, url: &str) -> Vec<Request> {
    let place = url.trim_start_matches("http://").trim_end_matches('/');
    let mut s = || secrets.plain();
    let mut all = vec![
        Request::get(&format!(
            "http://{place}/a?token={}&session={}#{}",
            s(),
            s(),
            s()
        )),
        Request::get(&format!("http://{place}/a;jsessionid={}/b;v={}", s(), s())),
        Request::get(&format!(
            "http://{place}/x/http://joe:{}@b.example/?key={}",
            s(),
            s()
        )),
        Request::get(&format!(
            "http://{place}/x/http%3A%2F%2Fjoe%3A{}%40b.example%2F",
            s()
        )),
        Request::get(&format!("http://{place}/reset/token/{}/now", s())),
        Request::get(&format!("http://{place}/api/key={}/list", s())),
        Request::get(&format!("http://{place}/login/pw:{}/x", s())),
        Request::get(&format!("http://{place}/login/user:joe:pass:{}", s())),
        Request::get(&format!("http://{place}/cb/%2570assword%253D{}", s())),
        Request::get(&format!(
            "http://{place}/cb/user%25253Djoe%252526pw%25253D{}",
            s()
        )),
        Request::get(&format!("http://{place}/cb/%7B%22pw%22%3A%22{}%22%7D", s())),
        Request::get(&format!("http://{place}/cb/%2574oken/{}/x", s())),
        Request::get(&format!("http://{place}/cb%23access_token%3D{}", s())),
        Request::get(&format!("http://{place}/"))
            .field("Cookie", &format!("sid={}", s()))
            .field("Authorization", &format!("Bearer {}", s()))
            .field("X-Api-Key", &s())
            .field("Referer", &format!("http://c.example/?token={}", s()))
            .field("User-Agent", &s())
            .field("Via", &format!("1.1 {}", s())),
        Request::new("POST", &format!("http://{place}/login"))
            .field("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("user=joe&password={}", s())),
        Request::new("PUT", &format!("http://{place}/json"))
            .field("Content-Type", "application/json")
            .body(format!("{{\"secret\":\"{}\"}}", s())),
        Request::new(&s().to_lowercase(), &format!("http://{place}/method")),
        Request::get(&format!("http://{place}/")).user("anna", &s()),
        Request::get(&format!("http://{place}/")).user(&s(), "x"),
        Request::get(&format!("http://{place}/ws?ticket={}", s()))
            .field("Connection", "Upgrade")
            .field("Upgrade", "websocket")
            .field("Sec-WebSocket-Version", "13")
            .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for start in ["AKIA", "ghp_", "sk_live_", "xoxb-", "eyJ", "bot12345:", ""] {
        let token = secrets.token(start);
        all.push(Request::get(&format!("http://{place}/hooks/{token}/send")));
    }
    all
}

/// What cannot be understood, on connections of its own.
fn malformed(secrets: &mut Secrets, place: &str) -> Vec<String> {
    let mut s = || secrets.plain();
    vec![
        format!(
            "GET http://joe:{}@{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n",
            s()
        ),
        format!(
            "GET http://{place}/{} HTTP/1.1\r\nHost: a\r\nHost: {}\r\n\r\n",
            s(),
            s()
        ),
        format!("{} {} {}\r\n\r\n", s(), s(), s()),
        format!(
            "GET ftp://{place}/{} HTTP/1.1\r\nHost: {place}\r\n\r\n",
            s()
        ),
        format!("GET /{} HTTP/1.1\r\nHost: {place}\r\n\r\n", s()),
        format!(
            "GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n{} : x\r\n\r\n",
            s()
        ),
        format!(
            "CONNECT joe:{}@{place} HTTP/1.1\r\nHost: {place}\r\n\r\n",
            s()
        ),
        format!("CONNECT {place}/{} HTTP/1.1\r\nHost: {place}\r\n\r\n", s()),
        format!(
            "POST http://{place}/ HTTP/1.1\r\nHost: {place}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            s()
        ),
    ]
}

fn send_all(weir: &Weir, requests: &[Request]) {
    for request in requests {
        let mut client = weir.client();
        client.send(request.bytes());
        // Whatever the answer is: it goes to whoever sent the secret.
        let _ = client.response("GET");
    }
}

#[test]
fn no_secret_of_the_corpus_stands_in_records_journals_logs_metrics_audit_or_state_lm_10() {
    let (mut site, origin) = lab(&["site.test", "bet.test", "games.test", "dead.test"]);
    site.host("dead.test", &["127.0.0.1"]);
    site.set("log.level", "\"trace\"");
    site.set("connect.http_ports", &format!("[{}]", origin.port()));
    site.set("connect.opaque_ports", "[9]");
    site.user("anna", "correct horse", &["staff"]);
    let mut secrets = Secrets::default();
    // What lists are paid for with, of one that comes and one that does not.
    for (name, host) in [("far", "site.test"), ("lost", "dead.test")] {
        let from = origin.url(host, &format!("/list.txt?token={}", secrets.plain()));
        site.table(&format!(
            "[[lists.source]]\nname = \"{name}\"\nfrom = \"{from}\"\ncategory = \"gambling\""
        ));
    }
    let weir = site.start();
    // Allowed, blocked, warned about, failed.
    for host in ["site.test", "bet.test", "games.test"] {
        let requests = requests(&mut secrets, &origin.url(host, ""));
        send_all(&weir, &requests);
    }
    let dead = requests(&mut secrets, "http://dead.test:1/");
    send_all(&weir, &dead);
    let place = format!("site.test:{}", origin.port());
    for text in malformed(&mut secrets, &place) {
        let mut client = weir.client();
        client.send(text);
        let _ = client.response("GET");
    }
    // Tunnels: refused and open, of HTTP, of anything, and of what is no TLS.
    let tunnels = [
        format!("site.test:{}", origin.port()),
        "bet.test:443".to_owned(),
        "site.test:9".to_owned(),
    ];
    for to in &tunnels {
        let head = Request::new("CONNECT", to)
            .field("Cookie", &format!("sid={}", secrets.plain()))
            .field("Authorization", &secrets.token("Bearer "));
        let mut client = weir.client();
        client.send(head.bytes());
        let _ = client.response("CONNECT");
        let inside = Request::get(&format!("/x?token={}", secrets.plain())).field("Host", to);
        let _ = client.try_send(inside.bytes());
        let _ = client.try_send(secrets.plain());
    }
    let _ = tls::hello(None);
    site.some_records(&[("host", "bet.test"), ("verdict", "block")], 15);
    site.some_records(&[("host", "games.test"), ("verdict", "warn")], 15);
    let kept = site.some_records(&[("host", "bet.test"), ("method", "GET")], 10);
    assert!(
        kept.iter().any(|row| row.text("path").starts_with("/a")),
        "content is on: {kept:?}"
    );
    for list in ["far", "lost"] {
        let row = site.record(&[("kind", "reload"), ("list", list)]);
        assert!(row.text("note").contains("http://"), "{row:?}");
    }
    let words: Vec<&str> = secrets.0.iter().map(String::as_str).collect();
    assert!(words.len() > 100, "{}", words.len());
    for page in ["/metrics", "/healthz", "/notice", "/"] {
        let text = weir.page(page).text();
        for word in &words {
            assert!(!holds(text.as_bytes(), word), "{word} stands on {page}");
        }
    }
    for line in [&["lists", "sources"][..], &["lists", "sources", "--json"]] {
        let told = site.weir(line).stdout;
        assert!(holds(&told, "far"));
        for word in &words {
            assert!(!holds(&told, word), "{word} is told by {line:?}");
        }
    }
    // In the journal, and again once it is sealed.
    nowhere(&site, &words);
    weir.stop(Duration::from_secs(10));
    nowhere(&site, &words);
    for format in ["csv", "jsonl", "parquet"] {
        let file = site.path(&format!("all.{format}"));
        site.export(&["--purpose", "facts", "--format", format], &file);
        let bytes = std::fs::read(&file).unwrap();
        for word in &words {
            assert!(
                !holds(&bytes, word),
                "{word} stands in an export as {format}"
            );
        }
    }
}
