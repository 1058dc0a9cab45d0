//! A school for one test: an own loopback address, a folder with `weir.toml`, `policy.toml` and lists, and
//! the commands of `weir` run in it. Survives restarts of the process.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::process::{self, Weir};

/// The policy of a site whose test does not bring another.
pub const POLICY: &str = include_str!("policy.toml");

/// The authorisation of a site.
const BASIS: &str = concat!(
    r#"{"act":"set","time":"2020-01-01T00:00:00Z","by":"test","basis":{"version":1,"role":"headteacher","authorised":"2020-01-01","#,
    r#""review":"2099-12-31","scope":"all web traffic","sites":["test"],"purposes":["facts","regulatory-compliance","standards","#,
    r#""crime-prevention","unauthorised-use","effective-operation"],"instrument":"SI 2018/356"}}"#,
    "\n"
);

static SITES: AtomicU16 = AtomicU16::new(0);

/// An address of 127.0.0.0/8 that belongs to this test process: no port there clashes with another test,
/// nor with the outgoing ports of this one, which come from 127.0.0.1.
pub fn own_address() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), middle, low)
}

/// Settings by section and key, as TOML literals.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// The folder and configuration of one Weir.
pub struct Site {
    folder: tempfile::TempDir,
    sections: Sections,
    tables: Vec<String>,
    listener: BTreeMap<String, String>,
    policy: String,
    environment: Vec<(String, String)>,
    open_files: Option<String>,
    is_authorised: bool,
    is_informed: bool,
    /// Where its proxy listens.
    pub proxy: SocketAddr,
    /// Where its console listens.
    pub console: SocketAddr,
}

impl Default for Site {
    fn default() -> Site {
        Site::new()
    }
}

impl Site {
    /// A site with the test policy, a gambling, social, games and education list, loopback permitted as an
    /// origin, every loopback client on the registered network `lab`, and short deadlines. Monitoring is authorised there, and
    /// everybody was given the notice.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn new() -> Site {
        let number = SITES.fetch_add(1, Ordering::SeqCst);
        let at = |base: u16| SocketAddr::new(own_address().into(), base + number);
        let mut site = Site {
            folder: tempfile::tempdir().expect("a temporary folder"),
            sections: Sections::new(),
            tables: Vec::new(),
            listener: BTreeMap::new(),
            policy: POLICY.to_owned(),
            environment: Vec::new(),
            open_files: None,
            is_authorised: true,
            is_informed: true,
            proxy: at(13128),
            console: at(14180),
        };
        site.defaults();
        site.list("gambling", "domains", "bet.test\ncasino.test\n");
        site.list("social", "domains", "social.test\n");
        site.list("games", "domains", "games.test\n");
        site.list("education", "domains", "school.test\n");
        site
    }

    fn defaults(&mut self) {
        let host = self.console.to_string();
        self.set("state", "\"state\"")
            .set("policy", "\"policy.toml\"");
        self.set("school", "\"Test Academy\"").set("threads", "2");
        self.set("review_contact", "\"review@school.test\"");
        self.set("lists.directories", "[\"lists\"]");
        self.set("console.address", &format!("{host:?}"));
        self.set(
            "console.hosts",
            &format!("[{:?}]", own_address().to_string()),
        );
        self.set("egress.allow", "[\"127.0.0.0/8\", \"::1/128\"]");
        self.set("records.flush", "\"50ms\"");
        self.set("notice.guests", "\"30d\"");
        self.set("deadlines.drain", "\"5s\"");
        let address = self.proxy.to_string();
        self.listener("name", "\"main\"")
            .listener("login", "\"optional\"");
        self.listener("address", &format!("{address:?}"));
        self.table("[[network]]\nname = \"lab\"\naddresses = [\"127.0.0.0/8\", \"::1/128\"]\n");
    }

    /// Sets `section.key`, or a key of the top level, to a TOML literal.
    pub fn set(&mut self, path: &str, literal: &str) -> &mut Site {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        let keys = self.sections.entry(section.to_owned()).or_default();
        keys.insert(key.to_owned(), literal.to_owned());
        self
    }

    /// Sets a key of the listener `main`.
    pub fn listener(&mut self, key: &str, literal: &str) -> &mut Site {
        self.listener.insert(key.to_owned(), literal.to_owned());
        self
    }

    /// Adds TOML text after the settings: further tables.
    pub fn table(&mut self, text: &str) -> &mut Site {
        self.tables.push(text.to_owned());
        self
    }

    /// Forgets every table added, the network `lab` among them.
    pub fn no_tables(&mut self) -> &mut Site {
        self.tables.clear();
        self
    }

    /// Maps a name to addresses, as `[resolver.hosts]` does.
    pub fn host(&mut self, name: &str, addresses: &[&str]) -> &mut Site {
        self.sections
            .entry("resolver.hosts".to_owned())
            .or_default()
            .insert(format!("{name:?}"), format!("{addresses:?}"));
        self
    }

    /// Maps several names to 127.0.0.1-like addresses: the one of this test process.
    pub fn hosts(&mut self, names: &[&str]) -> &mut Site {
        for name in names {
            self.host(name, &[&own_address().to_string()]);
        }
        self
    }

    /// Replaces the whole policy.
    pub fn policy(&mut self, text: &str) -> &mut Site {
        text.clone_into(&mut self.policy);
        self
    }

    /// Puts a rule before all others.
    pub fn rule(&mut self, text: &str) -> &mut Site {
        let (head, rules) = self
            .policy
            .split_once("[[rule]]")
            .unwrap_or((&self.policy, ""));
        self.policy = format!("{head}[[rule]]\n{text}\n\n[[rule]]{rules}");
        self
    }

    /// Changes words of the policy.
    ///
    /// # Panics
    /// When they are not there.
    pub fn reword(&mut self, from: &str, to: &str) -> &mut Site {
        assert!(self.policy.contains(from), "the policy holds {from:?}");
        self.policy = self.policy.replace(from, to);
        self
    }

    /// Writes a list file: `lists/<category>/<file>`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn list(&mut self, category: &str, file: &str, lines: &str) -> &mut Site {
        let folder = self.path("lists").join(category);
        fs::create_dir_all(&folder).expect("a folder is made");
        fs::write(folder.join(file), lines).expect("a list is written");
        self
    }

    /// A path inside the site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The site's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes both configuration files.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn write(&self) -> PathBuf {
        let path = self.path("weir.toml");
        place(&path, &self.text());
        place(&self.path("policy.toml"), &self.policy);
        path
    }

    /// `weir.toml` as it stands.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.sections {
            if !section.is_empty() {
                text.push_str(&format!("\n[{section}]\n"));
            }
            for (key, literal) in keys {
                text.push_str(&format!("{key} = {literal}\n"));
            }
        }
        text.push_str("\n[[listener]]\n");
        for (key, literal) in &self.listener {
            text.push_str(&format!("{key} = {literal}\n"));
        }
        for table in &self.tables {
            text.push_str(&format!("\n{table}\n"));
        }
        text
    }

    /// Takes the authorisation to monitor away, before the first start.
    pub fn unauthorised(&mut self) -> &mut Site {
        self.is_authorised = false;
        self
    }

    /// Leaves everybody without the notice, before users are added and before the first start.
    pub fn uninformed(&mut self) -> &mut Site {
        self.is_informed = false;
        self
    }

    /// What Weir finds of law in its state: as its commands and pages write it, and marked as told in the records, so that tests
    /// of other things meet no rows of it.
    fn lawful(&self) {
        use std::os::unix::fs::DirBuilderExt;
        let state = self.path("state");
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(&state).expect("the state directory is made");
        if self.is_authorised && !state.join("basis.jsonl").exists() {
            fs::write(state.join("basis.jsonl"), BASIS).expect("the authorisation is written");
            fs::write(state.join("basis.told"), format!("{} 0\n", BASIS.len()))
                .expect("the mark is written");
        }
        let ledger = fs::read_to_string(state.join("notice.jsonl")).unwrap_or_default();
        if !ledger.contains("address:127.0.0.1") {
            self.inform("address:127.0.0.1");
        }
    }

    /// Puts somebody into the ledger of the notice, unless nobody is to be there.
    fn inform(&self, identity: &str) {
        if !self.is_informed {
            return;
        }
        let line = format!(
            "{{\"time\":\"{}\",\"identity\":{identity:?},\"version\":\"1\",\"language\":\"en-GB\",\"how\":\"page\"}}\n",
            jiff::Timestamp::now()
        );
        let mut options = fs::File::options();
        let options = options.append(true).create(true);
        let file = options.open(self.path("state").join("notice.jsonl"));
        std::io::Write::write_all(&mut file.expect("the ledger opens"), line.as_bytes())
            .expect("the ledger is written");
    }

    /// Sets a variable in the environment of the process, not of commands.
    pub fn environment(&mut self, name: &str, value: &str) -> &mut Site {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the process so many file descriptors and no way to more.
    pub fn open_files(&mut self, most: usize) -> &mut Site {
        self.open_files = Some(format!("--nofile={most}:{most}"));
        self
    }

    /// Gives the process so many file descriptors, which it may raise.
    pub fn open_files_soft(&mut self, most: usize) -> &mut Site {
        self.open_files = Some(format!("--nofile={most}:"));
        self
    }

    /// Gives the process a wall clock that follows a file, through libfaketime; monotonic time stays true.
    ///
    /// # Panics
    /// When libfaketime is not installed (Debian's package `faketime`).
    pub fn wall_clock(&mut self, now: &str) -> &mut Site {
        let library = "faketime/libfaketimeMT.so.1";
        let folders = fs::read_dir("/usr/lib").expect("a Linux system").flatten();
        let library = folders
            .map(|folder| folder.path().join(library))
            .find(|path| path.exists());
        let library = library.expect("libfaketime is installed (faketime)");
        self.environment("LD_PRELOAD", &library.to_string_lossy());
        self.environment(
            "FAKETIME_TIMESTAMP_FILE",
            &self.path("clock").to_string_lossy(),
        );
        self.environment("FAKETIME_CACHE_DURATION", "1")
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        self.step_clock(now)
    }

    /// Steps that wall clock, also of a running process, within two seconds. `now` is an offset such as `-100d`
    /// or a time such as `@2026-03-02 23:59:00`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn step_clock(&mut self, now: &str) -> &mut Site {
        let (file, fresh) = (self.path("clock"), self.path("clock.new"));
        fs::write(&fresh, now).expect("the clock's file is written");
        fs::rename(&fresh, &file).expect("the clock's file is replaced");
        self
    }

    /// Writes the configuration and starts `weir` with it.
    ///
    /// # Panics
    /// When it does not serve.
    pub fn start(&self) -> Weir {
        let config = self.write();
        self.lawful();
        let listeners = (self.proxy, self.console);
        let mut command = match &self.open_files {
            // Of util-linux; it becomes the process that it starts.
            Some(limit) => {
                let mut command = Command::new("prlimit");
                command.arg(limit).arg(process::binary());
                command
            }
            None => Command::new(process::binary()),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Weir::start(command, &config, &self.path("log"), listeners)
    }

    /// Runs a command of `weir` with this configuration.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn weir(&self, args: &[&str]) -> Output {
        self.weir_with(args, "")
    }

    /// Runs a command that reads `input`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn weir_with(&self, args: &[&str], input: &str) -> Output {
        let config = self.write();
        let mut all = args.to_vec();
        let config = config.to_string_lossy();
        all.extend(["--config", &config]);
        process::run_with(&all, self.folder(), input)
    }

    /// Runs a command that must succeed, and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn succeed(&self, args: &[&str]) -> String {
        told(args, &self.weir(args))
    }

    /// Adds a local user through the command line.
    ///
    /// # Panics
    /// When that fails.
    pub fn user(&self, name: &str, password: &str, groups: &[&str]) -> &Site {
        let mut args = vec!["users", "add", name];
        for group in groups {
            args.extend(["--group", group]);
        }
        told(&args, &self.weir_with(&args, &format!("{password}\n")));
        self.inform(&format!("user:{name}"));
        self
    }

    /// Gives a user a new password through the command line.
    ///
    /// # Panics
    /// When that fails.
    pub fn password(&self, name: &str, password: &str) {
        let args = ["users", "password", name];
        told(&args, &self.weir_with(&args, &format!("{password}\n")));
    }
}

/// Puts a text in place of a file, whole: a running process may be reading it.
fn place(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    let new = path.with_extension("new");
    fs::write(&new, text).expect("the configuration is written");
    fs::rename(&new, path).expect("the configuration is put in place");
}

/// What a command that must succeed printed.
fn told(args: &[&str], output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "weir {args:?} failed: {out}{err}");
    out.into_owned()
}

/// The address of this test process as origins and clients take it.
pub fn own_ip() -> IpAddr {
    own_address().into()
}
