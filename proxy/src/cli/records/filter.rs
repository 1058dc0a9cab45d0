//! Which records: the filters that search and export share.

use std::net::IpAddr;
use std::ops::ControlFlow;

use weir_config::Loaded;
use weir_host::Host;
use weir_monitoring::query::{self, Order, Query};
use weir_monitoring::{EventId, Kind, Verdict};

use super::super::{Failure, when};
use crate::recording;
use crate::users::Users;

/// What is said where no case was named.
pub(super) const WITHHELD: &str = "no case was named (--case), so people, groups, networks, profiles, addresses and notes that may name somebody are withheld";

/// Every filter that is given must hold; without any, all records match.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Name of the person; its case does not matter.
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
    /// Rows about the records that name this case: reads, disputes, holds.
    #[arg(long, value_name = "REF")]
    of_case: Option<String>,
    /// At most so many rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
}

impl Filter {
    /// The query, in `order`; moments without an offset are the school's.
    pub(super) fn query(&self, order: Order, loaded: &Loaded) -> Result<Query, Failure> {
        let zone = &when::zone(&loaded.policy)?;
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
            user: self.user.as_deref().map(|name| recorded(name, loaded)),
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
            case: self.of_case.clone(),
            withhold_people: false,
            limit: self.limit,
            order,
        })
    }
}

/// A name as it stands in the users' file, so that whoever reads a statement finds the same person there.
fn recorded(name: &str, loaded: &Loaded) -> String {
    let name = name.trim();
    // A faulty file is `weir check`'s to tell; the search itself ignores case.
    let users = Users::load(&loaded.settings.users_file()).unwrap_or_default();
    users
        .get(name)
        .map_or_else(|| name.to_owned(), |user| user.name.to_string())
}

/// What must be said of a query that found nothing because its person is not known at all: "did nothing" and "is not
/// known" are different answers to an investigator.
pub(super) fn unknown_user(
    query: &Query,
    rows: u64,
    loaded: &Loaded,
) -> Result<Option<String>, Failure> {
    let Some(name) = query.user.as_deref().filter(|_| rows == 0) else {
        return Ok(None);
    };
    let settings = &loaded.settings;
    let same = |other: &str| other.to_lowercase() == name.to_lowercase();
    let is_user = Users::load(&settings.users_file()).is_ok_and(|users| users.get(name).is_some());
    let has_device = settings
        .devices
        .iter()
        .any(|device| device.user.as_deref().is_some_and(same));
    let mut in_records = false;
    if !is_user && !has_device {
        let ever = Query {
            user: Some(name.to_owned()),
            limit: Some(1),
            ..Query::default()
        };
        let store = recording::store(settings).map_err(Failure::refused)?;
        let searched = query::search(&store, &ever, &mut |_| ControlFlow::Continue(()));
        in_records = searched.map_err(Failure::refused)?.rows > 0;
    }
    Ok((!is_user && !has_device && !in_records).then(|| {
        format!(
            "no user of that name is known: {name:?} is neither among the users (`weir users list`) nor in any record \
             that is kept"
        )
    }))
}

/// The form that hosts are recorded in.
fn host(text: &str) -> Result<String, Failure> {
    let wrong = |error| Failure::Arguments(format!("{text:?} is no host: {error}"));
    Host::parse_text(text)
        .map(|host| host.to_string())
        .map_err(wrong)
}
