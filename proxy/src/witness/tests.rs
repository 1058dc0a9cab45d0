#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_config::Settings;
use weir_evidence::{Note, SigningKey};
use weir_monitoring::{EventId, Kind, Record, Recorder, RecorderSettings};

use super::courier::{Courier, Went};
use super::post::Network;
use super::*;

/// A Weir with records, and one witness.
struct Site {
    directory: TempDir,
    settings: Settings,
}

impl Site {
    fn new(to: &str) -> Site {
        let directory = tempfile::tempdir().unwrap();
        let to = to.replace("DIR", directory.path().to_str().unwrap());
        let text = format!(
            "state = 'state'\n[egress]\nallow = ['127.0.0.0/8']\n[deadlines]\norigin_head = '1s'\n\
             [[records.witness]]\nname = 'trust'\nto = '{to}'\n"
        );
        let policy = include_str!("../../../tests/src/policy.toml");
        let settings = weir_config::parse(&text, policy, directory.path())
            .unwrap()
            .settings;
        Site {
            directory,
            settings,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Records a few rows and stops: two checkpoints or more.
    fn record(&self, user: &str) {
        let recorder =
            Recorder::start(RecorderSettings::new(self.settings.records_directory())).unwrap();
        let mut lane = recorder.lane();
        for number in 0..3 {
            let mut row = Record::new(Kind::Request, EventId(number), 1_790_000_000_000_000);
            row.user = Some(user.into());
            lane.push(row);
        }
        drop(lane);
        recorder.stop(Duration::from_secs(20)).unwrap();
    }

    fn courier(&self) -> Courier {
        let witness = &self.settings.witnesses[0];
        Courier::new(
            witness,
            &self.settings.records_directory(),
            NODE,
            &self.settings.state,
        )
    }

    /// Turns until there is nothing to do or something failed; how many were taken, and why it stopped.
    fn send(&self, courier: &mut Courier) -> (usize, Went) {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap();
        let resolver = Resolver::new(&self.settings.resolver, runtime.handle().clone()).unwrap();
        let network = Network {
            names: &Names::new(resolver, 8),
            egress: &crate::snapshot::egress(&self.settings),
            tls: &crate::tls::client_config(&[]).unwrap(),
            settings: &self.settings,
        };
        let mut taken = 0;
        loop {
            match runtime.block_on(courier.turn(&network)) {
                Went::Taken => taken += 1,
                other => return (taken, other),
            }
        }
    }

    fn verify(&self, kept: &Path) -> weir_verify::Report {
        let mut outside = weir_verify::Outside::default();
        outside.add_checkpoint(kept).unwrap();
        let store = crate::recording::store(&self.settings).unwrap();
        weir_verify::check(&store, &outside, &mut |_, _, _| Ok(())).unwrap()
    }
}

fn notes(directory: &Path) -> Vec<Note> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| Note::parse(&fs::read_to_string(path).unwrap()).unwrap())
        .collect()
}

#[test]
fn lm_30_a_log_rewritten_as_a_whole_with_the_real_key_is_detected_from_the_witness_copy() {
    let site = Site::new("DIR/witness");
    let kept = site.path("witness");
    fs::create_dir(&kept).unwrap();
    site.record("anna");
    let mut courier = site.courier();
    let (taken, went) = site.send(&mut courier);
    assert!(taken >= 2 && went == Went::Nothing, "{taken} {went:?}");
    assert_eq!(notes(&kept).len(), taken);
    assert!(
        site.verify(&kept).holds(),
        "{}",
        site.verify(&kept).to_text()
    );
    // Whoever has the machine, and with it the key, writes the history anew.
    let records = site.settings.records_directory();
    for name in ["journal", "segments"] {
        fs::remove_dir_all(records.join(name)).unwrap();
    }
    for name in ["checkpoints", "latest"] {
        fs::remove_file(records.join("log/weir").join(name)).unwrap();
    }
    site.record("tom");
    let alone = weir_verify::check(
        &crate::recording::store(&site.settings).unwrap(),
        &weir_verify::Outside::default(),
        &mut |_, _, _| Ok(()),
    )
    .unwrap();
    assert!(alone.holds(), "alone it looks whole: {}", alone.to_text());
    let report = site.verify(&kept);
    assert!(!report.holds());
    assert!(
        report.to_text().contains("checkpoint 1"),
        "from the beginning: {}",
        report.to_text()
    );
    // What is sent of the new history comes to lie beside the old one, which stays.
    let before = notes(&kept);
    let (taken, _) = site.send(&mut site.courier());
    let after = notes(&kept);
    assert!(taken >= 2 && after.len() == before.len() + taken);
    assert!(before.iter().all(|note| after.contains(note)));
    assert!(!site.verify(&kept).holds());
}

#[test]
fn lm_30_a_log_rolled_back_is_detected_from_the_witness_copy_and_an_empty_copy_is_no_proof() {
    let site = Site::new("DIR/witness");
    let kept = site.path("witness");
    fs::create_dir(&kept).unwrap();
    assert!(
        weir_verify::Outside::default()
            .add_checkpoint(&kept)
            .is_err(),
        "nothing in it"
    );
    site.record("anna");
    let old = site.path("old");
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(to)
            .status();
        assert!(copied.unwrap().success());
    };
    let records = site.settings.records_directory();
    copy(&records, &old);
    site.record("tom");
    site.send(&mut site.courier());
    assert!(site.verify(&kept).holds());
    fs::remove_dir_all(&records).unwrap();
    copy(&old, &records);
    let report = site.verify(&kept);
    assert!(
        !report.holds() && report.to_text().contains("rolled back"),
        "{}",
        report.to_text()
    );
}

#[test]
fn a_witness_that_was_away_gets_everything_in_order_and_a_restart_sends_nothing_twice_lm_30() {
    let site = Site::new("DIR/mount/witness");
    site.record("anna");
    let mut courier = site.courier();
    let (taken, went) = site.send(&mut courier);
    assert!(
        taken == 0 && matches!(&went, Went::Failed(why) if why.contains("mount/witness")),
        "{went:?}"
    );
    site.record("tom");
    fs::create_dir_all(site.path("mount/witness")).unwrap();
    let (taken, went) = site.send(&mut courier);
    assert!(taken >= 4 && went == Went::Nothing, "{taken} {went:?}");
    assert_eq!(courier.acknowledged(), taken as u64);
    assert_eq!(
        site.send(&mut site.courier()),
        (0, Went::Nothing),
        "the last acknowledged number is kept"
    );
    site.record("eve");
    let (more, _) = site.send(&mut site.courier());
    assert_eq!(notes(&site.path("mount/witness")).len(), taken + more);
    assert!(site.verify(&site.path("mount/witness")).holds());
    let receipts = fs::read_to_string(site.settings.state.join("witness/trust.receipts")).unwrap();
    assert_eq!(receipts.lines().count(), taken + more);
}

#[test]
fn a_damaged_checkpoint_keeps_no_witness_silent_about_those_that_follow_lm_30() {
    let site = Site::new("DIR/witness");
    fs::create_dir(site.path("witness")).unwrap();
    site.record("anna");
    let mut courier = site.courier();
    let (taken, _) = site.send(&mut courier);
    let checkpoints = site
        .settings
        .records_directory()
        .join("log/weir/checkpoints");
    let whole = fs::read(&checkpoints).unwrap();
    let add = |text: &[u8]| {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&checkpoints)
            .unwrap();
        file.write_all(text).unwrap();
    };
    // What is half written is waited for.
    add(b"weir half");
    assert_eq!(site.send(&mut courier), (0, Went::Nothing));
    add(b"\n\n\n");
    add(&whole);
    for mut courier in [courier, site.courier()] {
        let (more, went) = site.send(&mut courier);
        let told = format!("follows checkpoint {taken} cannot be read");
        assert!(
            more == 0 && matches!(&went, Went::Failed(why) if why.contains(&told)),
            "{more} {went:?}"
        );
    }
}

/// Makes the bytes of an answer from the body of a request.
type Answer = Box<dyn Fn(&str) -> Vec<u8> + Send>;

/// A server that answers each connection with the next of these; with nothing for an empty one.
fn server(answers: Vec<Answer>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/add", listener.local_addr().unwrap());
    let (tell, told) = sync_channel(64);
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else {
                return;
            };
            let tell = tell.clone();
            // Who is kept waiting keeps nobody else waiting.
            std::thread::spawn(move || serve(stream, &*answer, &tell));
        }
    });
    (url, told)
}

fn serve(
    mut stream: std::net::TcpStream,
    answer: &dyn Fn(&str) -> Vec<u8>,
    tell: &SyncSender<String>,
) {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let body = loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_lowercase();
            let length = lower.split_once("content-length: ").unwrap().1;
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                assert!(head.starts_with("POST /add HTTP/1.1\r\n"), "{head}");
                break body.to_owned();
            }
        }
        assert!(count > 0, "the request broke off");
    };
    let answer = answer(&body);
    tell.send(body).unwrap();
    if answer.is_empty() {
        // Says nothing, and holds the connection.
        std::thread::sleep(Duration::from_millis(2000));
    }
    let _ = stream.write_all(&answer);
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_witness_that_is_slow_or_answers_garbage_costs_a_bounded_wait_and_is_asked_again_lm_30() {
    let (url, told) = server(vec![
        Box::new(|_| Vec::new()),
        Box::new(|_| b"not http at all\r\n\r\n".to_vec()),
        Box::new(|_| b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Box::new(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n".to_vec()),
        // A receipt whose body is nonsense is a receipt.
        Box::new(|_| ok("\u{2014} nonsense")),
    ]);
    let site = Site::new(&url);
    site.record("anna");
    let mut courier = site.courier();
    for expected in [
        "no answer came in time",
        "the connection broke",
        "status 503",
        "",
    ] {
        let begun = Instant::now();
        let (taken, went) = site.send(&mut courier);
        assert_eq!(taken, 0);
        assert!(
            matches!(&went, Went::Failed(why) if why.contains(expected)),
            "{expected}: {went:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    let (taken, _) = site.send(&mut courier);
    assert_eq!((taken, courier.acknowledged()), (1, 1));
    let bodies: Vec<String> = told.iter().take(5).collect();
    assert!(
        bodies.iter().all(|body| *body == bodies[0]),
        "the same checkpoint until it is taken"
    );
    assert!(Note::parse(&bodies[0]).is_ok());
    // Nobody is there at all now.
    let (taken, went) = site.send(&mut courier);
    assert!(taken == 0 && matches!(went, Went::Failed(_)));
}

#[test]
fn the_signatures_of_a_cosigning_witness_are_kept_lm_30() {
    let key = SigningKey::random("witness.example").unwrap();
    let cosign = move |whole: bool| {
        let text = key.to_text();
        let key = SigningKey::from_text(&text).unwrap();
        Box::new(move |body: &str| {
            let own = Note::parse(body).unwrap();
            let signed = Note::sign(own.text().to_owned(), &[&key]).to_string();
            let line = signed.lines().last().unwrap();
            ok(&if whole {
                format!("{body}{line}\n")
            } else {
                format!("{line}\n")
            })
        }) as Answer
    };
    let (url, _told) = server(vec![cosign(true), cosign(false)]);
    let site = Site::new(&url);
    site.record("anna");
    site.send(&mut site.courier());
    let receipts = fs::read_to_string(site.settings.state.join("witness/trust.receipts")).unwrap();
    let lines: Vec<serde_json::Value> = receipts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (number, line) in (1..).zip(&lines) {
        assert_eq!(
            (&line["number"], &line["status"]),
            (&number.into(), &200.into())
        );
        let signatures = line["signatures"].as_array().unwrap();
        assert_eq!(signatures.len(), 1, "{line}");
        assert!(
            signatures[0]
                .as_str()
                .unwrap()
                .starts_with("\u{2014} witness.example ")
        );
    }
}

#[test]
fn health_says_how_far_a_witness_is_behind_and_why() {
    let seen = |acknowledged, fault: Option<&str>, busy: Option<Duration>, whole: Duration| Seen {
        acknowledged,
        fault: fault.map(str::to_owned),
        busy: busy.map(|age| Instant::now().checked_sub(age).unwrap()),
        whole: Instant::now().checked_sub(whole).unwrap(),
    };
    let soon = Duration::from_millis(1);
    let long = PATIENCE + soon;
    assert_eq!(seen(7, None, Some(soon), soon).alarm("trust", 7), None);
    assert_eq!(seen(6, None, None, soon).alarm("trust", 7), None);
    let told = seen(3, Some("down"), None, soon).alarm("trust", 7).unwrap();
    assert_eq!(told, "trust is 4 checkpoints behind: down");
    assert!(
        seen(6, None, Some(long), soon)
            .alarm("trust", 7)
            .unwrap()
            .contains("going on for")
    );
    assert!(seen(6, None, None, long).alarm("trust", 7).is_some());
}
