//! The process's life: put together, listen, serve, drain.
//!
//! Decides the order of these, and the exit status: 0 after a drain, 2 when it could not
//! start.

use crate::allowance::Allowance;
use crate::conn::Entrance;
use crate::control::Console;
use crate::descriptors::{self, Ceiling, Uses};
use crate::held;
use crate::law::Law;
use crate::listener;
use crate::login::Verifier;
use crate::provenance;
use crate::recording;
use crate::reload::{self, Origin};
use crate::resolve::{Names, Resolver};
use crate::sealed;
use crate::shared::{Parts, Shared};
use crate::snapshot::{self, Snapshot};
use crate::users::Users;
use crate::warn::Acknowledgements;
use crate::worker::Worker;
use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use http::HeaderValue;
use jiff::Timestamp;
use std::net::TcpListener;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use weir_bandwidth::Shaper;
use weir_categories::Report;
use weir_config::{Faults, Loaded, LogFormat, LogLevel, Settings};
use weir_console::Hosts;
use weir_host::Host;
use weir_monitoring::{Recorder, RecorderError, RecorderSettings};

/// How long a cut connection may take to write its last row.
const AFTER_CUT: Duration = Duration::from_secs(2);
/// How long commands may hold the lock of the records at a start.
const LOCKED: Duration = Duration::from_secs(5);
/// A name of the starter set for the first try that a bare run suggests.
const EXAMPLE: &str = "bet365.com";

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(loaded: Loaded) -> ExitCode {
    log_to_stderr(&loaded.settings);
    match start(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Faults are many lines, each with file, line and key.
            match error.downcast_ref::<Faults>() {
                Some(faults) => eprintln!("{faults}"),
                None => eprintln!("weir: {error:#}"),
            }
            ExitCode::from(2)
        }
    }
}

fn log_to_stderr(settings: &Settings) {
    let level = match settings.log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Libraries may log what they see of requests: they stay at warnings.
    let filter = format!("warn,weir={level},hyper=off,hickory_resolver=error,hickory_proto=error");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first logger.
    let _ = match settings.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

fn start(loaded: Loaded) -> anyhow::Result<()> {
    crate::memory::small_pages();
    let descriptors = descriptors::raise();
    sealed::no_core_dumps();
    let origin = Origin::of(&loaded);
    crate::users::file::make_private(&loaded.settings.state)
        .with_context(|| format!("state directory {}", loaded.settings.state.display()))?;
    let imported = weir_config::lists::imported(&loaded.settings);
    if let Err(error) = weir_categories::import::recover_all(&imported) {
        tracing::warn!(%error, "imported lists that a crash left aside stay there");
    }
    let (index, report) = snapshot::build_index(&loaded.settings, None)?;
    let users = Arc::new(Users::load(&loaded.settings.users_file())?);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mandatory = sealed::load(&loaded.settings, None);
    let mut first = Snapshot::build(loaded, index, users, mandatory)?;
    first.filled = Arc::new(held::filled(&report));
    held::tell_faults(&report);
    if let Some(missing) = first.missing() {
        tracing::warn!("{missing}");
    }
    provenance::keep(&first);
    let sockets = bind(&first.settings)?;
    let console = first.settings.console.address;
    let console = listener::is_free(console)
        .and_then(|()| listener::bind(console))
        .map_err(|error| {
            anyhow!(listener::told(
                "console",
                "console.address",
                console,
                &error
            ))
        })?;
    let shared = share(first, descriptors)?;
    let control = Builder::new_current_thread().enable_all().build()?;
    control.block_on(serve(shared, origin, sockets, console, report))
}

/// One listening socket for each listener and thread.
fn bind(settings: &Settings) -> anyhow::Result<Vec<Vec<TcpListener>>> {
    let listeners = || settings.listeners.iter().enumerate();
    let told = |index: usize, listener: &weir_config::Listener, error: &std::io::Error| {
        let (what, key) = (
            format!("listener {:?}", listener.name),
            format!("listener[{}].address", index + 1),
        );
        anyhow!(listener::told(&what, &key, listener.address, error))
    };
    for (index, listener) in listeners() {
        listener::is_free(listener.address).map_err(|error| told(index, listener, &error))?;
    }
    (0..threads(settings))
        .map(|_| {
            listeners()
                .map(|(index, listener)| {
                    listener::bind(listener.address).map_err(|error| told(index, listener, &error))
                })
                .collect()
        })
        .collect()
}

fn threads(settings: &Settings) -> usize {
    match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// What the descriptors allow; says so where that is less than what is configured.
fn ceiling(settings: &Settings, descriptors: usize) -> Ceiling {
    let uses = Uses {
        threads: threads(settings),
        listeners: settings.listeners.len(),
        idle: settings.origin.idle_connections,
    };
    let ceiling = Ceiling::of(descriptors, uses);
    let configured = settings.bounds.connections;
    if ceiling.connections < configured {
        tracing::warn!(
            "bounds.connections is {configured}, and the system's limit of {descriptors} open files has room for {}: \
             no more are accepted at one time. Raise the limit (ulimit -Hn, LimitNOFILE=) or lower the bound.",
            ceiling.connections
        );
    }
    ceiling
}

fn share(first: Snapshot, descriptors: usize) -> anyhow::Result<Arc<Shared>> {
    let settings = &first.settings;
    let recorder = start_recorder(recording::settings(settings)?).context("records")?;
    let no_randomness = || anyhow!("the system has no randomness");
    let mut pseudonym = [0; 4];
    getrandom::fill(&mut pseudonym).map_err(|_| no_randomness())?;
    let via = format!("1.1 weir-{:08x}", u32::from_be_bytes(pseudonym));
    Ok(Shared::new(Parts {
        shaper: Arc::new(Shaper::new(settings.line.down, settings.line.up)),
        allowance: Allowance::open(&settings.state, first.policy.day(Timestamp::now())),
        verifier: Verifier::new(&settings.login, settings.deadlines.login)
            .map_err(|_| no_randomness())?,
        warnings: Acknowledgements::new(settings.warn.entries).map_err(|_| no_randomness())?,
        law: Law::open(&settings.state).map_err(|_| no_randomness())?,
        via: HeaderValue::from_str(&via)?,
        ceiling: ceiling(settings, descriptors),
        recorder,
        snapshot: Arc::new(ArcSwap::from_pointee(first)),
    }))
}

/// Starts the recorder. A command that records a read holds the lock for a moment, and must not keep Weir from starting.
fn start_recorder(settings: RecorderSettings) -> Result<Recorder, RecorderError> {
    let begun = Instant::now();
    loop {
        match Recorder::start(settings.clone()) {
            Err(RecorderError::Locked { .. }) if begun.elapsed() < LOCKED => {
                std::thread::sleep(Duration::from_millis(50));
            }
            started => return started,
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    origin: Origin,
    sockets: Vec<Vec<TcpListener>>,
    console: TcpListener,
    report: Report,
) -> anyhow::Result<()> {
    let settings = shared.snapshot.load_full().settings.clone();
    let resolver =
        Resolver::new(&settings.resolver, tokio::runtime::Handle::current()).context("resolver")?;
    let (running, mut finished) = mpsc::channel::<()>(1);
    for (number, sockets) in sockets.into_iter().enumerate() {
        let shared = Arc::clone(&shared);
        let resolver = Arc::clone(&resolver);
        let running = running.clone();
        std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let _running = running;
                work(&shared, resolver, sockets);
            })?;
    }
    drop(running);
    let state = Arc::new(reload::State::new(origin));
    tokio::spawn(pump(Arc::clone(&shared.shaper)));
    crate::witness::start(&shared, &resolver).context("witnesses of the log")?;
    crate::update::task::start(&shared, resolver).context("updates of lists")?;
    tokio::spawn(crate::watch::watch(Arc::clone(&shared), Arc::clone(&state)));
    tokio::spawn(crate::law::watch::watch(Arc::clone(&shared)));
    console.set_nonblocking(true)?;
    let console = tokio::net::TcpListener::from_std(console)?;
    let pages = Arc::new(Console::new(Arc::clone(&shared), Arc::clone(&state)));
    let stop = shared.cut.clone();
    let hosts = Hosts::new(
        settings
            .console
            .hosts
            .iter()
            .map(|host| host.bracketed().to_string()),
    );
    tokio::spawn(weir_console::serve(console, hosts, pages, async move {
        stop.cancelled().await;
    }));
    announce(&shared, &report);
    sealed::tell(&shared, None, &shared.snapshot.load().sealed);
    crate::memory::give_back_soon();
    signals(&shared, &state).await?;
    drain(&shared, settings.deadlines.drain, &mut finished).await?;
    if let Err(error) = shared.allowance.save() {
        tracing::warn!(%error, "the daily allowances could not be kept");
    }
    if let Err(error) = shared.stop_recording(AFTER_CUT * 5) {
        tracing::warn!(%error, "records");
    }
    Ok(())
}

/// One worker thread, from its first accept to its last connection.
fn work(shared: &Arc<Shared>, resolver: Arc<Resolver>, sockets: Vec<TcpListener>) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "a worker thread cannot start"),
    };
    runtime.block_on(async {
        let settings = &shared.snapshot.load_full().settings;
        let names = Names::new(resolver, settings.resolver.cache_entries);
        let worker = Worker::new(shared, names);
        tokio::task::spawn_local(Rc::clone(&worker).housekeeping(settings.records.flush));
        for (listener, socket) in settings.listeners.iter().zip(sockets) {
            let entrance = Rc::new(Entrance {
                name: Arc::clone(&listener.name),
                login: listener.login,
                profile: listener.profile.clone(),
            });
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    tokio::task::spawn_local(listener::accept(
                        Rc::clone(&worker),
                        socket,
                        entrance,
                    ));
                }
                Err(error) => tracing::error!(%error, listener = %listener.name, "cannot listen"),
            }
        }
        shared.drain.cancelled().await;
        last_connections(&worker).await;
        worker.flush();
    });
}

/// Waits until the thread's connections are gone, or were cut and had their moment.
async fn last_connections(worker: &Worker) {
    let mut cut_at = None;
    while worker.open.get() > 0 {
        if worker.shared.cut.is_cancelled() {
            let since = *cut_at.get_or_insert_with(Instant::now);
            if since.elapsed() > AFTER_CUT {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Grants what refilled buckets allow; sleeps while nobody waits.
async fn pump(shaper: Arc<Shaper>) {
    let called = Arc::new(Notify::new());
    shaper.set_pump_waker(Waker::from(Arc::new(Call(Arc::clone(&called)))));
    loop {
        match shaper.pump(Instant::now()) {
            Some(pause) => tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = called.notified() => {}
            },
            None => called.notified().await,
        }
    }
}

struct Call(Arc<Notify>);

impl std::task::Wake for Call {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Serves signals until one of them ends the process.
async fn signals(shared: &Arc<Shared>, state: &Arc<reload::State>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = hangup.recv() => reload::configuration(shared, state).await,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// Lets what runs finish, for `patience`; a second signal ends the patience.
async fn drain(
    shared: &Arc<Shared>,
    patience: Duration,
    finished: &mut mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tracing::info!("draining: nothing new is accepted");
    shared.drain.cancel();
    tokio::select! {
        _ = finished.recv() => {}
        () = tokio::time::sleep(patience) => tracing::warn!("the drain took too long; what is left is cut"),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shared.cut.cancel();
    // Ends by itself: the threads wait for nobody after the cut.
    let _ = tokio::time::timeout(AFTER_CUT * 2, finished.recv()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Tells on standard output where Weir listens, what it knows, and what to try.
fn announce(shared: &Shared, report: &Report) {
    let snapshot = shared.snapshot.load();
    shared
        .metrics
        .lists(snapshot.index.counts().domains, snapshot.filled.faults);
    println!("Weir {}", env!("CARGO_PKG_VERSION"));
    for listener in &snapshot.settings.listeners {
        println!(
            "  proxy    http://{}  ({}, login {})",
            listener.address,
            listener.name,
            listener.login.as_str()
        );
    }
    println!("  console  http://{}/", snapshot.settings.console.address);
    println!("  state    {}", snapshot.settings.state.display());
    let counts = snapshot.index.counts();
    println!(
        "  lists    {} names, {} URLs, {} expressions, {} keywords in {} categories, version {}",
        counts.domains,
        counts.urls,
        counts.expressions,
        counts.keywords,
        counts.categories,
        snapshot.lists_version
    );
    let mut lists = std::collections::BTreeMap::<&str, u64>::new();
    for file in &report.files {
        *lists.entry(&file.list).or_default() += file.entries;
    }
    for (list, entries) in lists {
        println!("           {list}: {entries} entries");
    }
    if !report.faults.is_empty() {
        let count = report.faults.count();
        println!("           {count} faulty lines were left out; `weir check` names them");
    }
    if let (Some(listener), true) = (snapshot.settings.listeners.first(), is_blocked(&snapshot)) {
        println!(
            "  try      curl -i -x http://{} http://{EXAMPLE}/",
            listener.address
        );
        println!("           and expect 403 with the block page (category gambling)");
    }
}

/// Whether the example of the banner is on a list called gambling.
fn is_blocked(snapshot: &Snapshot) -> bool {
    let (Ok(host), Some(gambling)) = (Host::parse(EXAMPLE), snapshot.index.names().id("gambling"))
    else {
        return false;
    };
    snapshot.index.host_categories(&host).contains(gambling)
}
