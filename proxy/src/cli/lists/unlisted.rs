//! `weir lists unlisted`: a read of records, so it states its purpose and is recorded before anything is read (LM-03, LM-18). It shows numbers of people, and no people.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_categories::Names;
use weir_config::Loaded;
use weir_monitoring::query::{Query, visits};

use crate::recording;

use super::super::records::reading::{Asked, Given, Reading};
use super::super::records::whole;
use super::super::{Answer, Failure, output};

/// Hosts of one domain that are shown.
const HOSTS: usize = 3;

/// Arguments of `weir lists unlisted`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unlisted {
    #[command(flatten)]
    reading: Reading,
    /// How far back to look: 12h, 7d.
    #[arg(long, default_value = "7d", value_name = "TIME")]
    since: String,
    /// At most so many names.
    #[arg(long, default_value_t = 50, value_name = "NAMES")]
    limit: usize,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What is known of one registrable domain.
#[derive(Default)]
struct Domain {
    visits: u64,
    visitors: HashSet<u64>,
    /// With their visits.
    hosts: Vec<(String, u64)>,
}

impl Unlisted {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let since = weir_config::units::duration(&self.since).map_err(Failure::Arguments)?;
        let from = Timestamp::now().checked_sub(since);
        let from = from.map_err(|error| Failure::Arguments(format!("--since: {error}")))?;
        let query = Query {
            category: Some(Names::UNLISTED.to_owned()),
            from: Some(from),
            ..Query::default()
        };
        // What no list has is asked about the whole school; its hosts come with numbers of visitors.
        let asked = Asked {
            narrowed: None,
            ..Asked::of("lists unlisted", &query)
        };
        self.reading
            .around(loaded, &asked, |_| self.count(&query, from, loaded, out))
    }

    fn count(
        &self,
        query: &Query,
        from: Timestamp,
        loaded: &Loaded,
        out: &mut dyn Write,
    ) -> Result<(Answer, Given), Failure> {
        let counted = visits(
            &recording::store(&loaded.settings).map_err(Failure::refused)?,
            query,
        );
        let mut counted = counted.map_err(Failure::refused)?;
        let mut domains: BTreeMap<String, Domain> = BTreeMap::new();
        for (host, visits) in std::mem::take(&mut counted.hosts) {
            let domain = domains.entry(registrable(&host)).or_default();
            domain.visits += visits.visits;
            domain.visitors.extend(visits.visitors);
            domain.hosts.push((host, visits.visits));
        }
        let mut ranked: Vec<(String, Domain)> = domains.into_iter().collect();
        // Names of the same count stay in their order.
        ranked.sort_by_key(|(_, domain)| std::cmp::Reverse(domain.visits));
        let more = ranked.len().saturating_sub(self.limit);
        ranked.truncate(self.limit);
        for (_, domain) in &mut ranked {
            let hosts = &mut domain.hosts;
            hosts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        if self.json {
            let names = ranked.iter().map(|(name, domain)| as_json(name, domain));
            let value = json!({
                "since": from.to_string(),
                "names": names.collect::<Vec<_>>(),
                "more": more,
                "uncounted_visits": counted.others,
                "visitors_are_at_least": counted.is_cut,
            });
            output::json(out, &value)?;
        } else {
            tell(&ranked, more as u64, out)?;
        }
        let given = Given::rows(counted.searched.rows)
            .with("unreadable", counted.searched.unreadable.len());
        Ok((whole(&counted.searched.unreadable), given))
    }
}

/// The name that somebody has registered, by the list of public suffixes; an address or a suffix is its own.
fn registrable(host: &str) -> String {
    let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
    match psl::domain_str(host).filter(|_| !is_address) {
        Some(domain) => domain.to_owned(),
        None => host.to_owned(),
    }
}

fn tell(ranked: &[(String, Domain)], more: u64, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = ranked.iter().map(|(name, domain)| {
        let hosts = domain
            .hosts
            .iter()
            .take(HOSTS)
            .map(|(host, _)| host.as_str());
        let mut hosts = hosts.collect::<Vec<_>>().join(", ");
        let rest = domain.hosts.len().saturating_sub(HOSTS);
        if rest > 0 {
            hosts.push_str(&format!(" and {} more", output::count(rest as u64)));
        }
        vec![
            output::count(domain.visits),
            output::count(domain.visitors.len() as u64),
            output::safe(name),
            output::safe(&hosts),
        ]
    });
    let head = ["VISITS", "USERS", "NAME", "HOSTS"];
    output::table(out, &head, &rows.collect::<Vec<_>>())?;
    if more > 0 {
        let more = output::counted(more, "more name", "more names");
        writeln!(out, "and {more}.")?;
    }
    Ok(())
}

fn as_json(name: &str, domain: &Domain) -> Value {
    let host = |(host, visits): &(String, u64)| json!({ "host": host, "visits": visits });
    json!({
        "name": name,
        "visits": domain.visits,
        "users": domain.visitors.len(),
        "hosts": domain.hosts.iter().take(100).map(host).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_counted_under_the_name_that_was_registered() {
        let cases = [
            ("www.a.example.com", "example.com"),
            ("x.y.example.co.uk", "example.co.uk"),
            ("me.github.io", "me.github.io"),
            ("co.uk", "co.uk"),
            ("intranet", "intranet"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ];
        for (host, name) in cases {
            assert_eq!(registrable(host), name, "{host}");
        }
    }
}
