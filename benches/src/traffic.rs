//! Records as a large school makes them: 2,000 people in sessions, pages with their parts, hosts by popularity, more than a third
//! tunnels, one row in twenty with the address that was blocked. The same seed gives the same rows.

use std::sync::Arc;

use jiff::civil::date;
use weir_monitoring::{
    Basis, Confidence, End, EventId, Grounds, Identity, Informed, Initiator, Kind, Permit, Record,
    Verdict,
};

const USERS: usize = 2_000;
/// People at work at one time.
const ACTIVE: usize = 300;
/// Of a hundred rows.
const TUNNELS: u64 = 37;
const BLOCKED: u64 = 5;

/// A person at work.
struct Session {
    user: usize,
    left: u64,
    /// The site whose page is loading, and how many of its parts are still to come.
    site: usize,
    parts: u64,
}

/// An endless stream of records.
pub struct Traffic {
    state: u64,
    users: Vec<Arc<str>>,
    hosts: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
    categories: Vec<Arc<str>>,
    texts: Texts,
    sessions: Vec<Session>,
    permit: Option<Permit>,
    time: i64,
    event: u64,
}

/// Texts that every row shares.
struct Texts {
    methods: [Arc<str>; 3],
    network: Arc<str>,
    profile: Arc<str>,
    listener: Arc<str>,
    rules: [Arc<str>; 2],
    versions: [Arc<str>; 2],
    list: Arc<str>,
}

impl Traffic {
    /// Traffic to these hosts, the first the most popular; to made-up ones when there are none.
    pub fn new(seed: u64, hosts: Vec<Arc<str>>) -> Traffic {
        let many = |count: usize, name: &dyn Fn(usize) -> String| -> Vec<Arc<str>> {
            (0..count).map(|at| name(at).into()).collect()
        };
        let made_up = |at: usize| {
            let prefix = ["www", "cdn", "api", "static"][at % 4];
            format!("{prefix}.site-{}.example", at / 4)
        };
        let mut traffic = Traffic {
            state: seed | 1,
            users: many(USERS, &|at| format!("{:05x}.pupil", at * 7919)),
            hosts: if hosts.is_empty() {
                many(20_000, &made_up)
            } else {
                hosts
            },
            groups: many(7, &|at| format!("pupils,year-{}", at + 7)),
            categories: many(40, &|at| format!("category-{at}")),
            texts: Texts {
                methods: ["GET", "POST", "HEAD"].map(Arc::from),
                network: "classrooms".into(),
                profile: "pupil".into(),
                listener: "main".into(),
                rules: ["otherwise", "no-gambling"].map(Arc::from),
                versions: ["3f2a9c0d1b4e5f60", "a1b2c3d4e5f60718"].map(Arc::from),
                list: "ut1".into(),
            },
            sessions: Vec::new(),
            permit: permit(),
            time: 1_795_000_000_000_000,
            event: 0x1234_5678_0000_0000,
        };
        for _ in 0..ACTIVE {
            let session = traffic.session();
            traffic.sessions.push(session);
        }
        traffic
    }

    fn roll(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, below: u64) -> u64 {
        self.roll() % below.max(1)
    }

    /// Small numbers often, large ones seldom: each power of two as likely as the next.
    fn skewed(&mut self, below: u64) -> u64 {
        let bits = self.below(u64::from(below.max(2).ilog2()) + 1);
        self.below((1 << bits).min(below))
    }

    fn session(&mut self) -> Session {
        Session {
            user: self.below(USERS as u64) as usize,
            left: 40 + self.below(400),
            site: 0,
            parts: 0,
        }
    }

    fn host(&self, number: usize) -> Option<Arc<str>> {
        self.hosts.get(number % self.hosts.len()).cloned()
    }

    /// The next record, some 20 µs after the one before.
    pub fn record(&mut self) -> Record {
        self.time += self.below(40) as i64;
        self.event += 1 + self.below(3);
        let at = self.below(ACTIVE as u64) as usize;
        let fresh = self.session();
        let (site, is_page) = {
            let next_site = self.skewed(self.hosts.len() as u64) as usize;
            let parts = self.skewed(60);
            let Some(session) = self.sessions.get_mut(at) else {
                return Record::new(Kind::Request, EventId(self.event), self.time);
            };
            if session.left == 0 {
                *session = fresh;
            }
            session.left -= 1;
            let is_page = session.parts == 0;
            if is_page {
                (session.site, session.parts) = (next_site, parts);
            } else {
                session.parts -= 1;
            }
            (session.site, is_page)
        };
        let user = self.sessions.get(at).map_or(0, |session| session.user);
        let is_tunnel = self.below(100) < TUNNELS;
        let kind = if is_tunnel {
            Kind::TunnelClose
        } else {
            Kind::Request
        };
        // Parts of a page come from the site and a few others.
        let host = match self.below(3) {
            0 => self.skewed(200) as usize,
            _ => site,
        };
        let duration = 2_000 + self.skewed(if is_tunnel { 60_000_000 } else { 900_000 });
        let mut record = Record::new(kind, EventId(self.event), self.time - duration as i64);
        record.duration = duration;
        self.put_person(&mut record, user);
        self.put_target(&mut record, host, is_tunnel);
        record.initiator = match (is_tunnel, is_page) {
            (true, _) => Initiator::Unknown,
            (false, true) => Initiator::Navigation,
            (false, false) => Initiator::SubResource,
        };
        self.put_outcome(&mut record, host, is_tunnel);
        record
    }

    fn put_person(&mut self, record: &mut Record, user: usize) {
        record.user = self.users.get(user).cloned();
        record.groups = self.groups.get(user % self.groups.len()).cloned();
        record.network = Some(Arc::clone(&self.texts.network));
        record.profile = Some(Arc::clone(&self.texts.profile));
        record.identity = Identity::Password;
        record.confidence = Confidence::High;
        record.notice = Informed::Given;
        record.identity_age = Some(self.below(900) as u32);
        record.client = Some([10, 20, (user >> 8) as u8, user as u8].into());
        record.client_port = 1024 + self.below(60_000) as u16;
        record.listener = Some(Arc::clone(&self.texts.listener));
        let [policy, lists] = &self.texts.versions;
        record.policy_version = Some(Arc::clone(policy));
        record.lists_version = Some(Arc::clone(lists));
    }

    fn put_target(&mut self, record: &mut Record, host: usize, is_tunnel: bool) {
        record.host = self.host(host);
        record.port = if is_tunnel { 443 } else { 80 };
        record.scheme = Some(if is_tunnel { "connect" } else { "http" });
        record.origin = Some([203, (host >> 16) as u8, (host >> 8) as u8, host as u8].into());
        let method = self.skewed(3) as usize;
        record.method = self.texts.methods.get(method % 3).cloned();
        record.inspected = !is_tunnel;
        let category = self.categories.get(host % self.categories.len()).cloned();
        record.categories = category.clone();
        record.category = category;
    }

    fn put_outcome(&mut self, record: &mut Record, host: usize, is_tunnel: bool) {
        record.bytes_up = 300 + self.skewed(4_000);
        record.bytes_down = self.skewed(if is_tunnel { 4_000_000 } else { 400_000 });
        let [otherwise, gambling] = &self.texts.rules;
        if !is_tunnel && self.state % 63 < BLOCKED {
            record.verdict = Verdict::Block;
            record.rule = Some(Arc::clone(gambling));
            record.status = 403;
            record.end = End::Refused;
            record.list = Some(Arc::clone(&self.texts.list));
            record.entry = self.host(host);
            let path = format!("/articles/{}/page-{}", self.skewed(9_000), self.skewed(80));
            record.path = self.permit.map(|permit| permit.keep(&path));
        } else {
            record.verdict = Verdict::Allow;
            record.rule = Some(Arc::clone(otherwise));
            record.status = 200;
        }
    }
}

/// Leave to keep what was blocked, which only an authorisation and a notice give.
fn permit() -> Option<Permit> {
    let basis = Basis {
        version: 1,
        role: "head".to_owned(),
        authorised: date(2026, 1, 1),
        review: date(2036, 1, 1),
        scope: "everything".to_owned(),
        sites: Vec::new(),
        purposes: vec!["standards".to_owned()],
        instrument: weir_monitoring::basis::INSTRUMENT.to_owned(),
    };
    Permit::on(&Grounds {
        basis: Some(&basis),
        notice: Informed::Given,
        verdict: Verdict::Block,
        purpose: None,
        rule_keeps_until: None,
        now: basis.from_micros(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_mix_is_the_one_that_is_claimed() {
        let mut traffic = Traffic::new(5, Vec::new());
        let rows: Vec<Record> = (0..50_000).map(|_| traffic.record()).collect();
        let share = |test: &dyn Fn(&Record) -> bool| {
            rows.iter().filter(|row| test(row)).count() as f64 / rows.len() as f64
        };
        let tunnels = share(&|row| row.kind == Kind::TunnelClose);
        let content = share(&|row| row.path.is_some());
        let pages = share(&|row| row.initiator == Initiator::Navigation);
        assert!((0.35..0.39).contains(&tunnels), "{tunnels}");
        assert!((0.045..0.055).contains(&content), "{content}");
        assert!((0.03..0.3).contains(&pages), "{pages}");
        let users: std::collections::HashSet<_> = rows.iter().map(|row| row.user.clone()).collect();
        assert!(users.len() > 300, "{}", users.len());
    }
}
