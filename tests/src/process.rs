//! The `weir` process: where its binary is, how it is started, signalled, measured and ended.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, Request, Response};

/// The binary under test: `WEIR_BIN`, or `weir` beside the folder of the test's own binary.
///
/// # Panics
/// When it is not there, naming the command that builds it.
pub fn binary() -> PathBuf {
    let given = std::env::var_os("WEIR_BIN").map(PathBuf::from);
    let path = given.unwrap_or_else(|| {
        let own = std::env::current_exe().expect("a process knows its executable");
        let folder = own
            .parent()
            .and_then(Path::parent)
            .expect("tests run from a target folder");
        folder.join("weir")
    });
    assert!(
        path.exists(),
        "{} is missing: cargo build -p weir-proxy",
        path.display()
    );
    path
}

/// A running `weir`. Dropping it kills it, and prints the end of its log when the test is failing.
pub struct Weir {
    child: Child,
    log: PathBuf,
    /// Where the proxy listens.
    pub proxy: SocketAddr,
    /// Where the console listens.
    pub console: SocketAddr,
}

impl Weir {
    /// Starts it by `command` with this configuration and waits until it serves.
    ///
    /// # Panics
    /// When it ends or is not ready within a minute.
    pub fn start(
        mut command: Command,
        config: &Path,
        log: &Path,
        (proxy, console): (SocketAddr, SocketAddr),
    ) -> Weir {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log opens");
        let err = out.try_clone().expect("a handle is copied");
        let child = command
            .args(["--config".as_ref(), config.as_os_str()])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("weir starts");
        let mut weir = Weir {
            child,
            log: log.to_owned(),
            proxy,
            console,
        };
        weir.wait_ready();
        weir
    }

    fn wait_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("weir ended before it served: {status}");
            }
            assert!(
                Instant::now() < deadline,
                "weir is not ready after a minute"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let wait = Duration::from_millis(500);
        let open = |to: &SocketAddr| std::net::TcpStream::connect_timeout(to, wait).is_ok();
        open(&self.console) && open(&self.proxy) && self.try_health().is_ok()
    }

    fn try_health(&self) -> std::io::Result<Response> {
        let mut client = Client::connect(self.console);
        client.send(
            Request::get("/healthz")
                .field("Host", &self.console.to_string())
                .bytes(),
        );
        client.response("GET")
    }

    /// `/healthz`, whatever its status.
    ///
    /// # Panics
    /// When the console does not answer.
    pub fn health(&self) -> Response {
        self.try_health().expect("the console answers")
    }

    /// A page of the console.
    ///
    /// # Panics
    /// When the console does not answer.
    pub fn page(&self, path: &str) -> Response {
        let host = self.console.to_string();
        Client::connect(self.console).ask(&Request::get(path).field("Host", &host))
    }

    /// The sum of every sample whose line begins with `name`.
    ///
    /// # Panics
    /// When there is no such sample.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.page("/metrics").text();
        let samples = page.lines().filter(|line| line.starts_with(name));
        let values: Vec<f64> = samples
            .filter_map(|l| l.rsplit(' ').next()?.parse().ok())
            .collect();
        assert!(!values.is_empty(), "no metric {name} in:\n{page}");
        values.iter().sum()
    }

    /// A new connection to the proxy.
    ///
    /// # Panics
    /// When it is refused.
    pub fn client(&self) -> Client {
        Client::connect(self.proxy)
    }

    /// A GET on a connection of its own.
    ///
    /// # Panics
    /// When there is no valid answer.
    pub fn get(&self, url: &str) -> Response {
        self.client().get(url)
    }

    /// A request on a connection of its own.
    ///
    /// # Panics
    /// When there is no valid answer.
    pub fn ask(&self, request: &Request) -> Response {
        self.client().ask(request)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Memory of the process's own in bytes: without pages of mapped files.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn own_memory(&self) -> u64 {
        self.memory("RssAnon:")
    }

    /// Most resident memory that there ever was, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("weir runs");
        let line = status
            .lines()
            .find(|l| l.starts_with(field))
            .expect("a running process has memory");
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("a number of kB");
        kib * 1024
    }

    /// Processor time used so far, user and system.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("weir runs");
        let after_name = stat.rsplit(')').next().unwrap_or("");
        let ticks = |i: usize| {
            after_name
                .split_whitespace()
                .nth(i)
                .and_then(|n| n.parse::<u64>().ok())
        };
        let used = ticks(11)
            .zip(ticks(12))
            .map(|(user, system)| user + system)
            .expect("stat has times");
        // Linux reports to user space in hundredths of a second whatever its own tick is (USER_HZ).
        Duration::from_millis(used * 10)
    }

    /// Open file descriptors.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("weir runs")
            .count()
    }

    /// Everything logged so far, by this run and earlier ones of the same site.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("weir can be signalled");
    }

    /// SIGHUP.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGTERM, then how and after how long it ended.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    pub fn stop(mut self, deadline: Duration) -> (ExitStatus, Duration) {
        self.signal(Signal::TERM);
        self.ended(deadline)
    }

    /// Waits for an end that something else brings about.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    pub fn ended(&mut self, deadline: Duration) -> (ExitStatus, Duration) {
        let started = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return (status, started.elapsed());
            }
            assert!(
                started.elapsed() < deadline,
                "weir still runs {deadline:?} after SIGTERM"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL: no chance to write anything.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.lines().count().saturating_sub(40);
            let tail: Vec<&str> = log.lines().skip(start).collect();
            eprintln!("--- the end of weir's log ---\n{}", tail.join("\n"));
        }
    }
}

/// Runs a `weir` command to its end, its standard input closed.
///
/// # Panics
/// When it cannot be started.
pub fn run(args: &[&str], folder: &Path) -> Output {
    Command::new(binary())
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("weir starts")
}

/// Runs a `weir` command that reads `input`.
///
/// # Panics
/// When it cannot be started or does not take the input.
pub fn run_with(args: &[&str], folder: &Path, input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(binary())
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir starts");
    let mut stdin = child.stdin.take().expect("its input is piped");
    stdin
        .write_all(input.as_bytes())
        .expect("weir reads its input");
    drop(stdin);
    child.wait_with_output().expect("weir ends")
}
