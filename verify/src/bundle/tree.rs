//! From leaves to signed checkpoints: each row's leaf lies in a subtree that a checkpoint's root is made of.

use std::collections::{BTreeMap, BTreeSet};

use weir_evidence::Hash;
use weir_monitoring::bundle::{At, NODES, holds};

use super::rows::Line;
use super::sums::Files;
use super::{Bundle, fault};
use crate::log::Point;
use crate::report::{Place, Report};

/// Checks every row against the log of its node.
pub(super) fn check(
    files: &Files,
    bundle: &Bundle,
    lines: &[Line],
    facts: &mut Vec<String>,
    report: &mut Report,
) {
    let mut proved = 0;
    for (node, told) in &bundle.logs {
        let file = format!("log/{node}/{NODES}");
        let Some(nodes) = nodes(files.text(&file).unwrap_or_default()) else {
            let what = "it is not a list of hashes: level, place and hash, each once";
            fault(report, &file, what);
            continue;
        };
        let own: Vec<&Line> = lines.iter().filter(|line| line.node == *node).collect();
        let mut by_index: BTreeMap<u64, &Line> = BTreeMap::new();
        for line in own {
            if by_index.insert(line.index, line).is_some() {
                let place = Place::rows(line.seq, line.seq);
                report.fault(node, place, "two rows are said to be one leaf");
            }
        }
        let mut used = BTreeSet::new();
        for point in &told.points {
            for part in point.stretch.parts() {
                let (first, size, _) = part;
                let rows: Vec<&Line> = by_index
                    .range(first..first.saturating_add(size))
                    .map(|(_, line)| *line)
                    .collect();
                let leaves: BTreeMap<u64, Hash> =
                    rows.iter().map(|line| (line.index, line.leaf)).collect();
                if rows.is_empty() {
                    continue;
                }
                let is_good = fits(point, &rows) && holds(part, &leaves, &nodes, &mut used);
                if is_good {
                    proved += rows.len();
                } else {
                    let seqs = rows.iter().map(|line| line.seq);
                    let (first, last) = (seqs.clone().min(), seqs.max());
                    let place = Place::rows(first.unwrap_or(0), last.unwrap_or(0));
                    let what = "these rows are not proved to be in the log: their leaves do not give the hash that was signed";
                    report.fault(node, place.at(point.checkpoint.number), what);
                }
            }
        }
        let size = told.last().map_or(0, |last| last.checkpoint.size);
        for (_, line) in by_index.range(size..) {
            let place = Place::rows(line.seq, line.seq);
            report.fault(node, place, "no checkpoint covers this row");
        }
        if nodes.keys().any(|at| !used.contains(at)) {
            fault(report, &file, "it has a hash that no row needs");
        }
    }
    facts.push(format!("{proved} rows are proved to be in the log"));
}

/// Whether rows lie where the checkpoint's numbers say.
fn fits(point: &Point, rows: &[&Line]) -> bool {
    let range = point.after.saturating_add(1)..=point.checkpoint.last;
    let in_order = rows.is_sorted_by(|one, next| one.seq < next.seq);
    in_order && rows.iter().all(|line| range.contains(&line.seq))
}

fn nodes(text: &str) -> Option<BTreeMap<At, Hash>> {
    let mut found = BTreeMap::new();
    for line in text.split_terminator('\n') {
        let mut words = line.split(' ');
        let (level, place) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let hash: Hash = words.next()?.parse().ok()?;
        if words.next().is_some() || found.insert((level, place), hash).is_some() {
            return None;
        }
    }
    Some(found)
}
