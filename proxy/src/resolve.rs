//! Names to addresses: the configured hosts first, then DNS through hickory.
//!
//! Decides which addresses a name has and for how long that holds. Does not decide whether
//! an address may be dialled: `dial` asks the policy about each one.
//!
//! Two caches lie before the name servers: [`Names`], one for each thread and without
//! locks, and hickory's own behind it, shared. Names are looked up as they stand, never
//! with a search domain appended, and only for A and AAAA (so no HTTPS records and no ECH
//! keys come from here). Alias chains are followed by hickory, at most eight long.

mod names;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name as DnsName, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use weir_host::Name;

pub(crate) use self::names::Names;

/// Addresses kept of each family; more would only lengthen a failing dial.
const MAX_ADDRESSES: usize = 8;
/// Lookups at work at once over all threads: each may hold a socket.
const MAX_LOOKUPS: usize = 512;
/// No lookup, waiting its turn included, takes longer than this, whatever the settings.
const MAX_TIME: Duration = Duration::from_secs(30);
/// RFC 8305 §3, Resolution Delay: how long an A answer waits for the AAAA answer.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long a failure is remembered; short, so that service is back within seconds.
const NEGATIVE_LIFETIME: Duration = Duration::from_secs(5);

/// Why a name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// No name server answered in time.
    #[error("the name servers did not answer in time")]
    Timeout,
    /// The name servers say that there is no such name.
    #[error("there is no such name")]
    NoSuchName,
    /// The name exists and has neither an IPv4 nor an IPv6 address.
    #[error("the name has no address")]
    NoAddress,
    /// The name servers cannot be reached or answer with an error.
    #[error("the name servers answered with an error")]
    Failed,
}

impl ResolveError {
    /// Whether a later answer may well be another: then an older address still serves.
    fn is_fault_of_dns(self) -> bool {
        matches!(self, ResolveError::Timeout | ResolveError::Failed)
    }
}

/// What is known about a name, and until when.
#[derive(Clone, Debug)]
struct Answer {
    addresses: Result<Arc<[IpAddr]>, ResolveError>,
    until: Instant,
}

/// Asks the name servers, for every thread.
pub(crate) struct Resolver {
    dns: TokioResolver,
    hosts: HashMap<Name, Arc<[IpAddr]>>,
    control: Handle,
    turns: Semaphore,
    minimum_ttl: Duration,
    maximum_ttl: Duration,
}

impl Resolver {
    /// A resolver whose queries run on `control`: they outlive whoever asked first.
    ///
    /// # Errors
    /// When hickory cannot set itself up.
    pub(crate) fn new(
        settings: &weir_config::Resolver,
        control: Handle,
    ) -> Result<Arc<Resolver>, NetError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(servers(settings), provider);
        set_options(builder.options_mut(), settings);
        let hosts = settings.hosts.iter();
        Ok(Arc::new(Resolver {
            dns: builder.build()?,
            hosts: hosts
                .map(|(name, found)| (name.clone(), found.as_slice().into()))
                .collect(),
            control,
            turns: Semaphore::new(MAX_LOOKUPS),
            minimum_ttl: settings.minimum_ttl,
            maximum_ttl: settings.maximum_ttl,
        }))
    }

    /// The configured addresses of `name`; they always win.
    fn configured(&self, name: &Name) -> Option<Arc<[IpAddr]>> {
        self.hosts.get(name).cloned()
    }

    /// Starts a lookup that finishes whether or not its answer is still wanted.
    fn start(self: &Arc<Self>, name: Name) -> impl Future<Output = Answer> + 'static {
        let resolver = self.clone();
        let lookup = self
            .control
            .spawn(async move { resolver.lookup(&name).await });
        async move {
            lookup
                .await
                .unwrap_or_else(|_| failed(ResolveError::Failed))
        }
    }

    async fn lookup(&self, name: &Name) -> Answer {
        let answer = tokio::time::timeout(MAX_TIME, async {
            let turn = self.turns.acquire().await;
            let answer = self.both_families(name).await;
            drop(turn);
            answer
        });
        answer
            .await
            .unwrap_or_else(|_| failed(ResolveError::Timeout))
    }

    /// RFC 8305 §3: both families at once. An A answer waits only shortly for the other, so
    /// that a server which ignores AAAA does not slow every page.
    async fn both_families(&self, name: &Name) -> Answer {
        let Ok(dns_name) = DnsName::from_ascii(format!("{name}.")) else {
            return failed(ResolveError::NoSuchName);
        };
        let four = Box::pin(self.family(dns_name.clone(), RecordType::A));
        let six = Box::pin(self.family(dns_name, RecordType::AAAA));
        match select(four, six).await {
            Either::Left((four, six)) if four.addresses.is_ok() => {
                match tokio::time::timeout(RESOLUTION_DELAY, six).await {
                    Ok(six) => merge(six, four),
                    Err(_) => self.briefly(four),
                }
            }
            Either::Left((four, six)) => merge(six.await, four),
            Either::Right((six, four)) => merge(six, four.await),
        }
    }

    /// Half an answer: the other family is asked for again soon.
    fn briefly(&self, half: Answer) -> Answer {
        let until = half.until.min(Instant::now() + self.minimum_ttl);
        Answer { until, ..half }
    }

    async fn family(&self, name: DnsName, kind: RecordType) -> Answer {
        let lookup = match self.dns.lookup(name, kind).await {
            Ok(lookup) => lookup,
            Err(error) => return failed(reason(&error)),
        };
        let now = Instant::now();
        let ttl = lookup.valid_until().saturating_duration_since(now);
        let addresses = lookup
            .answers()
            .iter()
            .filter_map(|record| address(&record.data));
        let addresses: Arc<[IpAddr]> = addresses.take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return failed(ResolveError::NoAddress);
        }
        let until = now + ttl.min(self.maximum_ttl).max(self.minimum_ttl);
        Answer {
            addresses: Ok(addresses),
            until,
        }
    }
}

fn servers(settings: &weir_config::Resolver) -> ResolverConfig {
    let servers = if settings.servers.is_empty() {
        system_servers()
    } else {
        settings
            .servers
            .iter()
            .map(|address| server(address.ip(), address.port()))
            .collect()
    };
    ResolverConfig::from_name_servers(servers)
}

fn system_servers() -> Vec<NameServerConfig> {
    let servers = match read_system_conf() {
        Ok((config, _)) => config.into_parts().2,
        Err(error) => {
            tracing::warn!(%error, "cannot read the system's name servers");
            Vec::new()
        }
    };
    if servers.is_empty() {
        // resolv.conf(5): without any, the local machine is asked.
        return vec![server(IpAddr::from([127, 0, 0, 1]), 53)];
    }
    servers
}

fn server(ip: IpAddr, port: u16) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(ip);
    for connection in &mut server.connections {
        connection.port = port;
    }
    server
}

fn set_options(options: &mut ResolverOpts, settings: &weir_config::Resolver) {
    options.timeout = settings.timeout;
    options.attempts = settings.attempts;
    options.cache_size = settings.cache_entries as u64;
    options.negative_max_ttl = Some(NEGATIVE_LIFETIME);
    options.positive_max_ttl = Some(settings.maximum_ttl);
    // The machine's own hosts file belongs to the system's configuration, not to servers
    // that were chosen instead of it.
    let system = settings.servers.is_empty();
    options.use_hosts_file = if system {
        ResolveHosts::Always
    } else {
        ResolveHosts::Never
    };
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

fn reason(error: &NetError) -> ResolveError {
    match error {
        NetError::Timeout => ResolveError::Timeout,
        error if error.is_nx_domain() => ResolveError::NoSuchName,
        error if error.is_no_records_found() => ResolveError::NoAddress,
        _ => ResolveError::Failed,
    }
}

fn failed(error: ResolveError) -> Answer {
    Answer {
        addresses: Err(error),
        until: Instant::now() + NEGATIVE_LIFETIME,
    }
}

/// Both families' answers as one, IPv6 first. One failing does not spoil the other, but is
/// asked for again soon.
fn merge(six: Answer, four: Answer) -> Answer {
    let until = six.until.min(four.until);
    let addresses = match (six.addresses, four.addresses) {
        (Ok(six), Ok(four)) => Ok(six.iter().chain(&*four).copied().collect()),
        (Ok(only), Err(error)) | (Err(error), Ok(only)) => {
            return single(only, error, six.until.max(four.until), until);
        }
        (Err(one), Err(other)) => Err(worse(one, other)),
    };
    Answer { addresses, until }
}

/// A name that simply has no address of one family keeps its full time.
fn single(only: Arc<[IpAddr]>, missing: ResolveError, full: Instant, soon: Instant) -> Answer {
    let until = if missing.is_fault_of_dns() {
        soon
    } else {
        full
    };
    Answer {
        addresses: Ok(only),
        until,
    }
}

/// Of two failures the one that may pass: it decides whether an older answer still serves.
fn worse(one: ResolveError, other: ResolveError) -> ResolveError {
    if one.is_fault_of_dns() { one } else { other }
}

#[cfg(test)]
pub(crate) mod tests;
