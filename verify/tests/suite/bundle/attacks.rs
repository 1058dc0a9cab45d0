//! LM-31, LM-36: what somebody can do to a bundle who has everything but the log's key, sums everything anew, and hopes that nobody
//! looks at the signature.

use std::fs;

use proptest::prelude::*;
use weir_evidence::Tag;
use weir_monitoring::bundle::{self, ProofLine, SegmentLine, Why};
use weir_monitoring::query::Query;

use super::{Handed, moment, person, request, walk};
use crate::log::Lab;

#[test]
fn every_single_row_that_is_left_out_is_missed_whoever_sums_anew_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let proofs = handed.proofs();
    let own: Vec<u64> = proofs
        .iter()
        .filter(|proof| proof.why == Why::Row)
        .map(|proof| proof.seq)
        .collect();
    assert_eq!(own.len(), 54);
    for seq in own {
        let altered = handed.copy();
        altered.leave_out(seq);
        let faults = altered.faults_of_proofs();
        let is_missed = faults
            .iter()
            .any(|what| what.contains("rows were left out"));
        assert!(is_missed, "{seq}: {faults:?}");
    }
}

#[test]
fn a_row_that_is_left_out_with_its_segment_altered_to_fit_is_missed_too_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let lines = handed.segments();
    let seq = lines[1].present.as_ref().unwrap().first;
    let spoils: [fn(&mut SegmentLine); 4] = [
        |line| line.present.as_mut().unwrap().rows -= 1,
        |line| line.present = None,
        |line| {
            let entry = line.present.take();
            (line.before, line.after) = (entry.clone(), entry);
        },
        |line| {
            let entry = line.present.as_mut().unwrap();
            entry.rows -= 1;
            entry.first += 3;
            entry.digest = weir_evidence::Hash::of(b"forged").to_string();
        },
    ];
    for spoil in spoils {
        let altered = handed.copy();
        altered.leave_out(seq);
        let mut lines = lines.clone();
        spoil(&mut lines[1]);
        altered.put_lines("segments.jsonl", &lines);
        altered.faults_of_proofs();
    }
    // Said to lie outside the period.
    let altered = handed.copy();
    let mut proofs = altered.proofs();
    let rows: Vec<String> = altered
        .text("rows.jsonl")
        .lines()
        .map(str::to_owned)
        .collect();
    let kept: Vec<String> = rows
        .into_iter()
        .filter(|row| !row.starts_with(&format!("{{\"seq\":{seq},")))
        .collect();
    let proof = proofs.iter_mut().find(|proof| proof.seq == seq).unwrap();
    proof.why = Why::Outside;
    proof.salts.clear();
    altered.rewrite(&kept, &proofs);
    altered.faults_of_proofs();
    // With the last checkpoints, which name its segment.
    let altered = handed.copy();
    let text = altered.text("log/weir/checkpoints");
    let cut = text
        .rfind("weir/weir/")
        .and_then(|at| text[..at].rfind("\n\nweir/weir/"));
    altered.put("log/weir/checkpoints", &text[..cut.unwrap() + 2]);
    altered.faults_of_proofs();
}

#[test]
fn every_field_of_a_row_and_every_part_of_its_proof_is_checked_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let rows: Vec<String> = handed
        .text("rows.jsonl")
        .lines()
        .map(str::to_owned)
        .collect();
    let proofs = handed.proofs();
    for (from, to) in [
        ("\"host\":\"host", "\"host\":\"other"),
        ("\"verdict\":\"block\"", "\"verdict\":\"allow\""),
        ("\"path\":\"/bad/page\"", "\"path\":\"/good/page\""),
        (",\"path\":\"/bad/page\"", ""),
        ("\"user\":\"ann\"", "\"user\":\"bob\""),
        ("\"bytes_down\":0", "\"bytes_down\":1"),
        (
            "\"end\":\"complete\"",
            "\"end\":\"complete\",\"error\":\"x\"",
        ),
    ] {
        let altered = handed.copy();
        let mut rows = rows.clone();
        let row = rows.iter_mut().find(|row| row.contains(from)).unwrap();
        *row = row.replace(from, to);
        altered.rewrite(&rows, &proofs);
        let faults = altered.faults_of_proofs();
        assert!(
            faults
                .iter()
                .any(|what| what.contains("not what was signed") || what.contains("has no field")),
            "{from}: {faults:?}"
        );
    }
    let spoils: [fn(&mut ProofLine); 7] = [
        |proof| proof.time += 1,
        |proof| proof.tag = Tag::NONE.to_string(),
        |proof| proof.index += 1,
        |proof| proof.leaf = weir_evidence::Hash::of(b"x").to_string(),
        |proof| proof.salts.clear(),
        |proof| proof.seq += 500,
        |proof| {
            drop(proof.commitments.insert(
                "content".to_owned(),
                weir_evidence::Hash::of(b"x").to_string(),
            ))
        },
    ];
    for spoil in spoils {
        let altered = handed.copy();
        let mut proofs = proofs.clone();
        spoil(&mut proofs[9]);
        altered.put_lines("proof.jsonl", &proofs);
        altered.faults_of_proofs();
    }
    // A row of somebody else among them, a row twice, and forms that differ.
    let altered = handed.copy();
    let mut more = rows.clone();
    more.push(rows[3].clone());
    altered.rewrite(&more, &proofs);
    assert!(altered.faults_of_proofs()[0].contains("stands twice"));
    for name in [
        "rows.csv",
        "report.html",
        "identity.json",
        "redactions.json",
        "log/weir/nodes",
    ] {
        let altered = handed.copy();
        let whole = altered.text(name);
        let cut = match name {
            "identity.json" => "[]\n".to_owned(),
            "redactions.json" => whole.replace(
                "\"groups\": []",
                "\"groups\": [{\"group\": \"who\", \"reason\": \"x\", \"rows\": 1}]",
            ),
            "report.html" => whole.replacen("<tr id=\"row-weir-", "<tr id=\"row-weir-9", 1),
            _ => whole[..whole.trim_end().rfind('\n').unwrap() + 1].to_owned(),
        };
        assert_ne!(whole, cut, "{name}");
        altered.put(name, &cut);
        altered.faults_of_proofs();
    }
}

#[test]
fn one_flipped_bit_in_any_file_of_a_bundle_is_seen_lm_31() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let mut names = Vec::new();
    walk(&handed.path, "", &mut names);
    assert_eq!(names.len(), 13 + 3 + 2);
    let mut number = 0x9e37_79b9_u64;
    let mut roll = move || {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(number >> 33).unwrap()
    };
    let mut tried = 0;
    for name in names {
        let path = handed.path.join(&name);
        let whole = fs::read(&path).unwrap();
        if whole.is_empty() {
            continue;
        }
        let samples = if name.starts_with("SHA256SUMS") {
            200
        } else {
            6
        };
        let mut places: Vec<usize> = (0..samples).map(|_| roll() % whole.len()).collect();
        places.extend([0, whole.len() - 1]);
        for at in places {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (roll() % 8);
            fs::write(&path, flipped).unwrap();
            let report = handed.check();
            assert!(!report.holds(), "byte {at} of {name}: {}", report.to_text());
            tried += 1;
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(tried > 400, "{tried}");
    handed.holds();
}

#[test]
fn a_file_more_or_less_is_seen_and_an_unknown_one_too_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let mut names = Vec::new();
    walk(&handed.path, "", &mut names);
    for name in names {
        let less = handed.copy();
        fs::remove_file(less.path.join(&name)).unwrap();
        assert!(!less.check().holds(), "{name} is not missed");
    }
    for name in ["more.txt", "log/weir/more", "log/other/checkpoints"] {
        let more = handed.copy();
        let path = more.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        assert!(!more.check().holds(), "{name} is not seen");
        // Also when it is listed.
        more.faults_of_proofs();
    }
    let link = handed.copy();
    std::os::unix::fs::symlink("rows.csv", link.path.join("link")).unwrap();
    assert!(!link.check().holds());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn any_log_and_any_person_give_a_bundle_that_holds_and_misses_any_row_left_out_lm_36(
        users in proptest::collection::vec(0_u8..5, 5..60),
        segment in 5_usize..30,
        asked in 0_u8..6,
        from in 0_i64..30,
        length in 1_i64..60,
        victim in any::<prop::sample::Index>(),
    ) {
        let lab = Lab::random(&users, segment);
        let query = Query {
            from: moment(from),
            to: moment(from + length),
            ..person(&format!("person-{asked}"))
        };
        let handed = Handed::of(&lab, &request(query));
        let report = handed.check();
        prop_assert!(report.holds(), "{}", report.to_text());
        let expected = users
            .iter()
            .enumerate()
            .filter(|(at, user)| **user == asked && (from..from + length).contains(&(*at as i64)));
        prop_assert_eq!(handed.asked().counts.rows, expected.count() as u64);
        let own: Vec<ProofLine> = handed
            .proofs()
            .into_iter()
            .filter(|proof| matches!(proof.why, Why::Row | Why::Outside))
            .collect();
        if !own.is_empty() {
            let victim = &own[victim.index(own.len())];
            handed.leave_out(victim.seq);
            let mut redactions: bundle::Redactions =
                serde_json::from_str(&handed.text("redactions.json")).unwrap();
            let mut asked = handed.asked();
            if victim.why == Why::Outside {
                asked.counts.outside -= 1;
                redactions.rows.iter_mut().for_each(|rows| rows.rows -= 1);
            }
            handed.put("query.json", &serde_json::to_string(&asked).unwrap());
            handed.put("redactions.json", &serde_json::to_string(&redactions).unwrap());
            let faults = handed.faults_of_proofs();
            prop_assert!(faults.iter().any(|what| what.contains("rows were left out")), "{:?}", faults);
        }
    }
}

/// The second check, in another language and from the documentation alone.
fn python(handed: &Handed) -> (Option<i32>, String) {
    let output = std::process::Command::new("python3")
        .arg("-B")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundle.py"))
        .arg(&handed.path)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    (output.status.code(), told)
}

#[test]
fn python_checks_a_bundle_and_misses_a_row_too_lm_36() {
    let lab = Lab::new();
    lab.rotate();
    let narrow = Query {
        from: moment(10),
        to: moment(70),
        ..person("ann")
    };
    let mut withheld = request(person("bob"));
    withheld
        .withhold
        .insert(weir_monitoring::proof::Group::Who, "a reason".to_owned());
    for asked in [
        request(person("ann")),
        request(narrow),
        request(person("nobody")),
        request(Query::default()),
        withheld,
    ] {
        let (code, told) = python(&Handed::of(&lab, &asked));
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("accounted for"), "{told}");
    }
    let handed = Handed::of(&lab, &request(person("ann")));
    let seq = handed.segments()[1].present.as_ref().unwrap().first;
    handed.leave_out(seq);
    handed.sum_anew();
    let (code, told) = python(&handed);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("rows were left out"), "{told}");
}
