//! What is still running: opening rows whose closing row has not been written.
//!
//! The list stands in the header of each journal, so after a crash the newest journal alone tells what was open (LM-33), even
//! when the opening row was sealed hours before. Decides nothing about the gap itself.

use std::collections::BTreeMap;

use crate::event::EventId;
use crate::words::Kind;

/// Beyond this, open tunnels are counted but no longer named; a proxy has fewer descriptors.
const NAMED: usize = 1 << 18;

/// One opening row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// When it began, µs since the epoch.
    pub(crate) time: i64,
    /// Number of the opening row.
    pub(crate) seq: u64,
}

/// Every opening row without its closing row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenEvents {
    requests: BTreeMap<EventId, Opened>,
    tunnels: BTreeMap<EventId, Opened>,
}

impl OpenEvents {
    /// Takes note of a row that was written.
    pub(crate) fn follow(&mut self, kind: Kind, event: EventId, time: i64, seq: u64) {
        match kind {
            Kind::RequestOpen if self.requests.len() < NAMED => {
                self.requests.insert(event, Opened { time, seq });
            }
            Kind::TunnelOpen if self.tunnels.len() < NAMED => {
                self.tunnels.insert(event, Opened { time, seq });
            }
            Kind::Request => {
                self.requests.remove(&event);
            }
            Kind::TunnelClose => {
                self.tunnels.remove(&event);
            }
            // A start means that whatever was open before is known to be over.
            Kind::Start => *self = OpenEvents::default(),
            _ => {}
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn tunnels(&self) -> usize {
        self.tunnels.len()
    }

    /// Every open event.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (EventId, Opened)> + Clone {
        self.requests
            .iter()
            .chain(&self.tunnels)
            .map(|(event, opened)| (*event, *opened))
    }

    /// For a journal's header.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for (letter, map) in [('r', &self.requests), ('t', &self.tunnels)] {
            for (event, opened) in map {
                out.push_str(&format!("{letter}:{event}:{}:{} ", opened.time, opened.seq));
            }
        }
        out
    }

    /// From a journal's header; what cannot be read is left out.
    pub(crate) fn from_text(text: &str) -> OpenEvents {
        let mut open = OpenEvents::default();
        for item in text.split_whitespace() {
            let mut parts = item.split(':');
            let (letter, event) = (
                parts.next(),
                parts.next().and_then(|part| part.parse().ok()),
            );
            let (time, seq) = (
                parts.next().and_then(|part| part.parse().ok()),
                parts.next().and_then(|part| part.parse().ok()),
            );
            if let (Some(letter), Some(event), Some(time), Some(seq)) = (letter, event, time, seq) {
                let kind = if letter == "t" {
                    Kind::TunnelOpen
                } else {
                    Kind::RequestOpen
                };
                open.follow(kind, event, time, seq);
            }
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_row_is_open_until_its_closing_row_lm_33() {
        let mut open = OpenEvents::default();
        open.follow(Kind::TunnelOpen, EventId(1), 10, 1);
        open.follow(Kind::RequestOpen, EventId(2), 20, 2);
        open.follow(Kind::TunnelOpen, EventId(3), 30, 3);
        open.follow(Kind::Request, EventId(1), 10, 4);
        open.follow(Kind::TunnelClose, EventId(3), 30, 5);
        assert_eq!((open.requests(), open.tunnels()), (1, 1));
        assert_eq!(
            open.iter()
                .map(|(event, opened)| (event.0, opened.seq))
                .collect::<Vec<_>>(),
            [(2, 2), (1, 1)]
        );
        open.follow(Kind::Start, EventId(9), 40, 6);
        assert_eq!(open.iter().count(), 0);
    }

    #[test]
    fn the_list_reads_back_from_a_header_and_survives_nonsense() {
        let mut open = OpenEvents::default();
        open.follow(Kind::TunnelOpen, EventId(u64::MAX), -5, 1);
        open.follow(Kind::RequestOpen, EventId(7), i64::MAX, u64::MAX);
        assert_eq!(OpenEvents::from_text(&open.to_text()), open);
        let damaged = format!("{} t:zz:1:2 r: x", open.to_text());
        assert_eq!(OpenEvents::from_text(&damaged), open);
    }
}
