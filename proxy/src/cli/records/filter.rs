//! Which records: the filters that search and export share.

use std::net::IpAddr;

use jiff::tz::TimeZone;
use weir_host::Host;
use weir_monitoring::query::{Order, Query};
use weir_monitoring::{EventId, Kind, Verdict};

use super::super::{Failure, when};

/// Every filter that is given must hold; without any, all records match.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Name of the person.
    #[arg(long)]
    user: Option<String>,
    /// Group of the person, device or network.
    #[arg(long)]
    group: Option<String>,
    /// Registered device.
    #[arg(long)]
    device: Option<String>,
    /// Registered network.
    #[arg(long)]
    network: Option<String>,
    /// Address of the client.
    #[arg(long, value_name = "IP")]
    client: Option<IpAddr>,
    /// Host, with everything below it.
    #[arg(long)]
    host: Option<String>,
    /// The host alone, without what is below it.
    #[arg(long, requires = "host")]
    exact_host: bool,
    /// Category, among all of the target's.
    #[arg(long)]
    category: Option<String>,
    /// Rule that decided.
    #[arg(long)]
    rule: Option<String>,
    /// Verdict: allow, block, warn or none.
    #[arg(long)]
    verdict: Option<Verdict>,
    /// Kinds of rows, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    kind: Vec<Kind>,
    /// Event id, as on the block page.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    /// From this moment on: RFC 3339, or a date (and time) at the school.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this moment; a date alone is included as a whole.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Part of a user, device, host, path, rule, category, list, entry or note.
    #[arg(long)]
    text: Option<String>,
    /// At most so many rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
}

impl Filter {
    /// The query, in `order`; moments without an offset are those of `zone`.
    pub(super) fn query(&self, order: Order, zone: &TimeZone) -> Result<Query, Failure> {
        let from = self
            .from
            .as_deref()
            .map(|text| when::from(text, zone))
            .transpose()?;
        let to = self
            .to
            .as_deref()
            .map(|text| when::to(text, zone))
            .transpose()?;
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(Failure::Arguments("--from is not before --to".to_owned()));
        }
        Ok(Query {
            user: self.user.clone(),
            group: self.group.clone(),
            device: self.device.clone(),
            network: self.network.clone(),
            client: self.client,
            host: self.host.as_deref().map(host).transpose()?,
            exact_host: self.exact_host,
            category: self.category.clone(),
            rule: self.rule.clone(),
            verdict: self.verdict,
            kinds: self.kind.clone(),
            event: self.event,
            from,
            to,
            text: self.text.clone(),
            limit: self.limit,
            order,
        })
    }
}

/// The form that hosts are recorded in.
fn host(text: &str) -> Result<String, Failure> {
    let wrong = |error| Failure::Arguments(format!("{text:?} is no host: {error}"));
    Host::parse_text(text)
        .map(|host| host.to_string())
        .map_err(wrong)
}
