//! Debian's Chromium, headless, driven over the DevTools protocol: it asks the proxy for every page, answers
//! the proxy's login, and trusts one test authority through an NSS store of its own.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{PATIENCE, eventually};

/// A page as the reader sees it.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTTP status of the document; 0 when it did not load.
    pub status: u16,
    /// Chromium's reason why it did not load, such as `net::ERR_TUNNEL_CONNECTION_FAILED`.
    pub error: String,
    /// `document.title`.
    pub title: String,
    /// Visible text.
    pub text: String,
}

/// A running Chromium with one tab.
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next: u64,
    login: (String, String),
    asked: usize,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts it behind `proxy` as this person, trusting the authority in `root` (PEM).
    ///
    /// # Errors
    /// Chromium or certutil missing, or a browser that does not come up.
    pub fn start(proxy: SocketAddr, user: &str, password: &str, root: &str) -> Result<Browser> {
        let home = tempfile::tempdir()?;
        trust(home.path(), root)?;
        let profile = home.path().join("profile");
        let child = command(proxy, home.path(), &profile)
            .spawn()
            .context("chromium is installed")?;
        let (socket, login) = (attach(&profile)?, (user.to_owned(), password.to_owned()));
        let mut browser = Browser {
            child,
            socket,
            session: String::new(),
            next: 0,
            login,
            asked: 0,
            _home: home,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach)?;
        attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut browser.session);
        browser.call("Page.enable", json!({}))?;
        browser.call("Network.enable", json!({}))?;
        browser.call("Fetch.enable", json!({ "handleAuthRequests": true }))?;
        Ok(browser)
    }

    /// How often the proxy asked it to log in.
    pub fn logins(&self) -> usize {
        self.asked
    }

    /// Goes to a page and waits until it has loaded or failed.
    ///
    /// # Errors
    /// A browser that stops answering.
    pub fn visit(&mut self, url: &str) -> Result<Page> {
        let mut page = Page {
            status: 0,
            error: String::new(),
            title: String::new(),
            text: String::new(),
        };
        let id = self.send("Page.navigate", json!({ "url": url }))?;
        let (mut answered, mut loaded) = (false, false);
        while !(answered && (loaded || !page.error.is_empty())) {
            let event = self.receive()?;
            if event["id"] == id {
                answered = true;
                event["result"]["errorText"]
                    .as_str()
                    .unwrap_or("")
                    .clone_into(&mut page.error);
            }
            match event["method"].as_str() {
                Some("Page.loadEventFired") => loaded = true,
                Some("Network.responseReceived") if event["params"]["type"] == "Document" => {
                    let status = &event["params"]["response"]["status"];
                    page.status = status.as_u64().unwrap_or(0) as u16;
                }
                _ => {}
            }
        }
        page.title = self.evaluate("document.title")?;
        page.text = self.evaluate("document.body ? document.body.innerText : ''")?;
        Ok(page)
    }

    /// The text that an expression gives in the page, after any promise has settled.
    ///
    /// # Errors
    /// A browser that stops answering.
    pub fn evaluate(&mut self, expression: &str) -> Result<String> {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params)?;
        Ok(answer["result"]["value"].as_str().unwrap_or("").to_owned())
    }

    /// Calls a DevTools method and waits for its result, serving events meanwhile.
    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.send(method, params)?;
        loop {
            let answer = self.receive()?;
            if answer["id"] == id {
                if let Some(error) = answer.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(answer["result"].clone());
            }
        }
    }

    fn send(&mut self, method: &str, params: Value) -> Result<u64> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(message.to_string()))?;
        Ok(self.next)
    }

    /// The next message; pauses of the Fetch domain are answered on the way.
    fn receive(&mut self) -> Result<Value> {
        let started = Instant::now();
        loop {
            let message = match self.socket.read() {
                Ok(message) => message,
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    bail!("chromium is silent for {:?}", started.elapsed())
                }
                Err(error) => return Err(error.into()),
            };
            if !message.is_text() {
                continue;
            }
            let value: Value = serde_json::from_str(message.to_text()?)?;
            self.unpause(&value)?;
            return Ok(value);
        }
    }

    fn unpause(&mut self, event: &Value) -> Result<()> {
        let id = &event["params"]["requestId"];
        match event["method"].as_str() {
            Some("Fetch.requestPaused") => {
                self.send("Fetch.continueRequest", json!({ "requestId": id }))?;
            }
            Some("Fetch.authRequired") => {
                self.asked += 1;
                let (user, password) = &self.login;
                let answer = json!({
                    "response": "ProvideCredentials", "username": user, "password": password,
                });
                let params = json!({ "requestId": id, "authChallengeResponse": answer });
                self.send("Fetch.continueWithAuth", params)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts the authority into the store that Chromium reads on Linux.
fn trust(home: &Path, root: &str) -> Result<()> {
    let (store, file) = (home.join(".pki/nssdb"), home.join("root.pem"));
    std::fs::create_dir_all(&store)?;
    std::fs::write(&file, root)?;
    let store = format!("sql:{}", store.display());
    let status = Command::new("certutil")
        .args(["-d", &store, "-A", "-n", "weir-test", "-t", "C,,", "-i"])
        .arg(&file)
        .status()
        .context("certutil is installed (libnss3-tools)")?;
    if !status.success() {
        bail!("certutil failed: {status}");
    }
    Ok(())
}

fn command(proxy: SocketAddr, home: &Path, profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-default-apps",
        ])
        .args([
            "--disable-extensions",
            "--metrics-recording-only",
            "--disable-domain-reliability",
        ])
        .args([
            "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints",
        ])
        .args(["--password-store=basic", "--remote-debugging-port=0"])
        .arg(format!(
            "--proxy-pac-url=data:application/x-ns-proxy-autoconfig,{}",
            pac(proxy)
        ))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("about:blank")
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join(".local/share"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Everything of the test's own names, and Weir's own, goes through Weir. What the browser wants for itself (its maker's time,
/// updates and accounts, which no switch turns off for good) goes nowhere, so that no test leaves the machine.
fn pac(proxy: SocketAddr) -> String {
    let test = "(shExpMatch(host, '*.test') || dnsDomainIs(host, '.weir.internal'))";
    format!(
        "function FindProxyForURL(url, host) {{ return {test} ? 'PROXY {proxy}' : 'PROXY 127.0.0.1:9'; }}"
    )
}

/// Connects to the DevTools port that the browser writes into its profile.
fn attach(profile: &Path) -> Result<WebSocket<TcpStream>> {
    let file: PathBuf = profile.join("DevToolsActivePort");
    let text = eventually("chromium opens its DevTools port", || {
        let text = std::fs::read_to_string(&file).ok()?;
        (text.lines().count() >= 2).then_some(text)
    });
    let (port, path) = text.split_once('\n').context("a port and a path")?;
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE * 2))?;
    let url = format!("ws://{address}{}", path.trim());
    let (socket, _) = tungstenite::client(url, stream)?;
    Ok(socket)
}
