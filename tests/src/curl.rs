//! curl as a foreign client: what it prints and whether it was content.

use std::net::SocketAddr;
use std::process::{Command, Output};

/// What a run of curl gave.
#[derive(Debug)]
pub struct Told {
    /// Its exit status; 0 is success, 22 an HTTP error with `--fail`, 56 a refused tunnel.
    pub code: i32,
    /// The final response's status, 0 when there was none.
    pub status: u16,
    /// The status of the answer to CONNECT, 0 when there was none.
    pub connect_status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// Heads of every response, that to CONNECT among them.
    pub heads: String,
}

/// Runs curl through the proxy, without any configuration of the machine's.
///
/// # Panics
/// When curl is missing.
pub fn curl(proxy: SocketAddr, args: &[&str]) -> Told {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (body, heads) = (folder.path().join("body"), folder.path().join("heads"));
    let output: Output = Command::new("curl")
        .args([
            "-q",
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--noproxy",
            "",
        ])
        .args(["--proxy", &format!("http://{proxy}")])
        .args(["--write-out", "%{http_code} %{http_connect}"])
        .arg("--output")
        .arg(&body)
        .arg("--dump-header")
        .arg(&heads)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .output()
        .expect("curl is installed");
    let codes = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut codes = codes.split_whitespace().map(|c| c.parse().unwrap_or(0));
    Told {
        code: output.status.code().unwrap_or(-1),
        status: codes.next().unwrap_or(0),
        connect_status: codes.next().unwrap_or(0),
        body: std::fs::read(body).unwrap_or_default(),
        heads: std::fs::read_to_string(heads).unwrap_or_default(),
    }
}
