//! The real binary, for benches that measure the whole: where it is, how it is started, that it ends.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{checkout, is_smoke};

/// Longest start: lists and policy are compiled before the first connection is taken.
const READY: Duration = Duration::from_secs(60);

/// The binary to measure: `WEIR_BIN`, else `weir` of the release build in this bench's own target folder, else of the
/// debug build. A smoke run takes the newer of the two: an old release build says nothing about the code at hand.
pub fn find() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("WEIR_BIN") {
        return Some(PathBuf::from(given));
    }
    // target/<profile>/deps/<bench>
    let own = std::env::current_exe().ok()?;
    let target = own.ancestors().nth(3)?;
    let built = |profile: &str| {
        let path = target.join(profile).join("weir");
        let at = path.metadata().ok()?.modified().ok()?;
        Some((path, at))
    };
    let mut found: Vec<_> = ["release", "debug"].into_iter().filter_map(built).collect();
    if is_smoke() {
        found.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    }
    found.into_iter().next().map(|(path, _)| path)
}

/// A running `weir` with everything on, on a free port of this machine. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens.
    pub proxy: SocketAddr,
    _state: TempDir,
}

impl Running {
    /// Starts `binary` with the configuration of the load comparison and waits until it takes connections. Tunnels to
    /// `origin` are opaque.
    ///
    /// # Errors
    /// When files cannot be written, the binary cannot be started, ends, or is not ready within a minute.
    pub fn start(binary: &Path, origin: SocketAddr) -> io::Result<Running> {
        let state = tempfile::tempdir()?;
        let [proxy, console] = [free_port()?, free_port()?];
        let config = write_config(state.path(), proxy, console, origin)?;
        let log = fs::File::create(state.path().join("log"))?;
        let child = Command::new(binary)
            .args(["--config".as_ref(), config.as_os_str(), "run".as_ref()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut running = Running {
            child,
            proxy,
            _state: state,
        };
        running.wait(console)?;
        Ok(running)
    }

    fn wait(&mut self, console: SocketAddr) -> io::Result<()> {
        let until = Instant::now() + READY;
        let answers = |at| TcpStream::connect(at).is_ok();
        while !(answers(console) && answers(self.proxy)) {
            let ended = self.child.try_wait()?.is_some();
            if ended || Instant::now() > until {
                let log = fs::read_to_string(self._state.path().join("log"))?;
                return Err(io::Error::other(format!("weir does not serve: {log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell in a destructor.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The files of `benches/load`, filled in as the load tool does.
fn write_config(
    state: &Path,
    proxy: SocketAddr,
    console: SocketAddr,
    origin: SocketAddr,
) -> io::Result<PathBuf> {
    let load = checkout().join("benches/load");
    let run = state.to_string_lossy();
    let text = fs::read_to_string(load.join("weir.toml"))?
        .replace("@RUN@", &run)
        .replace("@ADDR@", &proxy.to_string())
        .replace("127.0.0.1:3180", &console.to_string())
        .replace("[8000]", &format!("[{}]", origin.port()));
    fs::copy(load.join("policy.toml"), state.join("weir-policy.toml"))?;
    fs::create_dir(state.join("weir-state"))?;
    let listed = state.join("weir-lists/listed");
    fs::create_dir_all(&listed)?;
    fs::write(listed.join("domains"), "listed.example\n")?;
    link_starter_lists(&state.join("weir-lists"))?;
    let config = state.join("weir.toml");
    fs::write(&config, text)?;
    Ok(config)
}

fn link_starter_lists(lists: &Path) -> io::Result<()> {
    for entry in fs::read_dir(checkout().join("categories/lists"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::os::unix::fs::symlink(entry.path(), lists.join(entry.file_name()))?;
        }
    }
    Ok(())
}
