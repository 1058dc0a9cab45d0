//! Lists: text that people edit, lists that are imported, and the real list of the University of Toulouse.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};
use weir_tests::{eventually, shared};

use crate::lab;

/// Each name of the archive's domain files with its category, in order.
fn listed(archive: &std::path::Path, mut each: impl FnMut(&str, &str)) {
    let file = std::fs::File::open(archive).unwrap();
    let mut tar = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if !path.ends_with("domains") || !entry.header().entry_type().is_file() {
            continue;
        }
        let category = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        for line in BufReader::new(entry).lines() {
            each(&category, &line.unwrap());
        }
    }
}

/// The first `count` names of the ranked list that hold nothing but a name.
fn top_sites(count: usize) -> Option<Vec<String>> {
    let path = shared("top-sites/tranco-top100k-ranked.csv.zst")?;
    let mut text = String::new();
    let mut reader = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
    reader.read_to_string(&mut text).unwrap();
    let names = text.lines().filter_map(|line| line.rsplit(',').next());
    let names = names
        .map(|name| name.trim().to_lowercase())
        .filter(|name| name.contains('.'));
    Some(names.take(count).collect())
}

/// Categories whose names a school blocks, by the archive's own folder names.
const BLOCKED: [&str; 10] = [
    "adult", "gambling", "malware", "phishing", "dating", "drogue", "agressif", "hacking", "vpn",
    "warez",
];

/// Blocks every category that has a list, but those that are lists to allow.
fn block_everything(site: &mut Site) {
    let stats = site.succeed(&["lists", "stats", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    let mut names = HashSet::new();
    collect_names(&json["categories"], &mut names);
    assert!(names.contains("gambling"), "{stats}");
    let allow = ["education", "health-and-helplines", "security-updates"];
    let blocked: Vec<String> = names
        .into_iter()
        .filter(|name| !allow.contains(&name.as_str()))
        .collect();
    site.reword(
        "categories = [\"gambling\"]",
        &format!("categories = {blocked:?}"),
    );
}

/// Names in an array of texts, an array of objects with a `name`, or the keys of an object.
fn collect_names(json: &serde_json::Value, into: &mut HashSet<String>) {
    if let Some(object) = json.as_object() {
        into.extend(object.keys().cloned());
    }
    for item in json.as_array().into_iter().flatten() {
        let name = item
            .as_str()
            .or_else(|| item["name"].as_str())
            .or_else(|| item["category"].as_str());
        into.extend(name.map(str::to_owned));
    }
}

#[test]
fn the_real_list_blocks_its_own_names_and_passes_top_sites_that_are_not_on_it() {
    let Some(archive) = shared("ut1/ut1.tar.zst") else {
        return;
    };
    let Some(top) = top_sites(400) else { return };
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    let report = site.succeed(&[
        "lists",
        "import",
        &archive.to_string_lossy(),
        "--name",
        "ut1",
    ]);
    assert!(
        !report.contains('\r') && !report.contains('\u{1b}'),
        "no progress bar in a pipe"
    );
    // An independent reading of the archive: which names to sample, and which top sites are on it.
    let suffixes: HashMap<&str, usize> = top
        .iter()
        .enumerate()
        .flat_map(|(at, name)| parents(name).map(move |parent| (parent, at)))
        .collect();
    let (mut on_list, mut sample, mut counts) = (HashSet::new(), Vec::new(), HashMap::new());
    listed(&archive, |category, name| {
        if suffixes.contains_key(name) {
            on_list.insert(name.to_owned());
        }
        let count = counts.entry(category.to_owned()).or_insert(0usize);
        *count += 1;
        if BLOCKED.contains(&category)
            && count.is_multiple_of(977)
            && name.parse::<std::net::IpAddr>().is_err()
        {
            sample.push(name.to_owned());
        }
    });
    assert!(sample.len() > 500, "{}", sample.len());
    let open: Vec<&String> = top
        .iter()
        .filter(|n| !parents(n).any(|p| on_list.contains(p)))
        .collect();
    assert!(
        open.len() > 100,
        "{} of {} top sites are not on the list",
        open.len(),
        top.len()
    );
    block_everything(&mut site);
    for name in &open {
        site.hosts(&[name]);
    }
    let weir = site.start();
    assert!(weir.metric("weir_list_names") > 2_800_000.0);
    let mut client = weir.client();
    for name in sample {
        for host in [name.clone(), format!("www.{name}")] {
            let response = client.get(&format!("http://{host}/"));
            assert_eq!(response.status, 403, "{host}");
        }
    }
    for name in open {
        let response = client.get(&origin.url(name, "/"));
        assert_eq!(
            response.status,
            200,
            "{name}: {}",
            response.field("weir-category")
        );
    }
}

/// A name and every name above it.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        name.split_once('.').map(|(_, rest)| rest)
    })
}

/// A squidGuard tree as a tar archive.
fn archive(site: &Site, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let path = site.path(name);
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for (file, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("blacklists/{file}"), text.as_bytes())
            .unwrap();
    }
    tar.finish().unwrap();
    path
}

#[test]
fn an_imported_list_is_in_force_after_a_reload() {
    let (site, origin) = lab(&["site.test", "x.site.test"]);
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("x.site.test", "/")).status, 200);
    let file = archive(&site, "list.tar", &[("gambling/domains", "site.test\n")]);
    site.succeed(&[
        "lists",
        "import",
        &file.to_string_lossy(),
        "--name",
        "small",
    ]);
    weir.reload();
    eventually("the imported name is blocked", || {
        (weir.get(&origin.url("x.site.test", "/")).status == 403).then_some(())
    });
    let row = site.record(&[("host", "x.site.test"), ("verdict", "block")]);
    assert_eq!(
        (
            row.text("list").contains("small"),
            row.text("entry").as_str()
        ),
        (true, "site.test")
    );
}

#[test]
fn a_failed_import_leaves_the_old_list_in_force() {
    let (site, origin) = lab(&["site.test"]);
    let good = archive(&site, "good.tar", &[("gambling/domains", "site.test\n")]);
    site.succeed(&[
        "lists",
        "import",
        &good.to_string_lossy(),
        "--name",
        "small",
    ]);
    let weir = site.start();
    let whole = std::fs::read(&good).unwrap();
    let bad = site.path("bad.tar");
    let broken: [&[u8]; 3] = [&whole[..700], b"", b"this is no archive at all"];
    for bytes in broken {
        std::fs::write(&bad, bytes).unwrap();
        let output = site.weir(&["lists", "import", &bad.to_string_lossy(), "--name", "small"]);
        assert!(
            !output.status.success(),
            "{} bytes were taken for a list",
            bytes.len()
        );
        weir.reload();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(weir.get(&origin.url("site.test", "/")).status, 403);
    }
}

#[test]
fn an_archive_cannot_write_outside_its_folder() {
    let site = Site::new();
    let path = site.path("evil.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    let name = b"blacklists/../../../escaped";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    tar.append(&header, &b"a.com"[..]).unwrap();
    tar.finish().unwrap();
    drop(tar);
    let _ = site.weir(&["lists", "import", &path.to_string_lossy(), "--name", "evil"]);
    let found = walk(site.folder())
        .into_iter()
        .find(|file| file.ends_with("escaped"));
    assert_eq!(found, None);
    assert!(!site.folder().parent().unwrap().join("escaped").exists());
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn a_half_written_imported_list_is_refused_and_the_old_one_stays_in_force() {
    let (site, origin) = lab(&["site.test", "other.test"]);
    let good = archive(
        &site,
        "good.tar",
        &[("gambling/domains", "other.test\nsite.test\n")],
    );
    site.succeed(&[
        "lists",
        "import",
        &good.to_string_lossy(),
        "--name",
        "small",
    ]);
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 403);
    let file = walk(&site.path("state").join("lists"))
        .into_iter()
        .find(|path| path.ends_with("gambling/domains"));
    let file = file.expect("the imported list is plain text");
    std::fs::write(&file, "other.test\nsite.te").unwrap();
    weir.reload();
    eventually("the failure is said", || {
        weir.log().contains("domains").then_some(())
    });
    assert_eq!(
        weir.get(&origin.url("site.test", "/")).status,
        403,
        "the old list is in force"
    );
    assert_eq!(weir.get(&origin.url("other.test", "/")).status, 403);
}

#[test]
fn a_list_that_became_empty_never_opens_everything() {
    // Threats §7.
    let (mut site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    site.list("gambling", "domains", "");
    weir.reload();
    eventually("it is said", || {
        weir.log().contains("gambling").then_some(())
    });
    assert_eq!(weir.get(&origin.url("bet.test", "/")).status, 403);
}

#[test]
fn threats_7_a_half_written_list_that_people_edit_is_refused_with_the_old_one_in_force() {
    let (mut site, origin) = lab(&["bet.test", "last.test"]);
    let whole: String = (0..40).map(|at| format!("bet{at}.test\n")).collect();
    site.list(
        "gambling",
        "domains",
        &format!("bet.test\n{whole}last.test\n"),
    );
    let weir = site.start();
    // Cut off inside a line, and cut off between two lines.
    for part in ["bet.test\nbet0.te", "bet.test\nbet0.test\n"] {
        site.list("gambling", "domains", part);
        weir.reload();
        eventually("it is said", || {
            weir.log()
                .contains("the old lists stay in force")
                .then_some(())
        });
        assert_eq!(
            weir.get(&origin.url("last.test", "/")).status,
            403,
            "{part:?}"
        );
        let rows = site.some_records(&[("kind", "reload")], 1);
        assert!(
            rows.iter()
                .any(|row| row.text("note").contains("stay in force")),
            "{rows:?}"
        );
    }
    // An editor that writes no last newline adds a name.
    site.list(
        "gambling",
        "domains",
        &format!("bet.test\n{whole}last.test\nnew.test"),
    );
    weir.reload();
    eventually("it is in force", || {
        (weir.get("http://new.test/").status == 403).then_some(())
    });
}

#[test]
fn a_line_that_cannot_be_used_is_told_while_weir_runs() {
    let (mut site, _origin) = lab(&["bet.test"]);
    let weir = site.start();
    assert_eq!(weir.metric("weir_list_faults"), 0.0);
    site.list("gambling", "domains", "bet.test\nhttp://bad.test/x\n");
    weir.reload();
    eventually("it is said", || {
        weir.log().contains("domains:2").then_some(())
    });
    eventually("it is counted", || {
        (weir.metric("weir_list_faults") == 1.0).then_some(())
    });
}

#[test]
fn a_bad_line_does_not_stop_the_rest_and_is_reported_with_its_place() {
    let mut site = Site::new();
    site.list(
        "gambling",
        "domains",
        "bet.test\nexa mple.test\nbad..test\nlater.test\n",
    );
    let output = site.weir(&["check"]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        text.contains("domains:2") && text.contains("domains:3"),
        "{text}"
    );
    let weir = site.start();
    assert_eq!(weir.get("http://later.test/").status, 403);
}

#[test]
fn a_person_adds_and_removes_a_name_from_the_command_line() {
    let (site, origin) = lab(&["new.test"]);
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("new.test", "/")).status, 200);
    site.succeed(&["lists", "add", "gambling", "new.test"]);
    weir.reload();
    eventually("it is blocked", || {
        (weir.get(&origin.url("new.test", "/")).status == 403).then_some(())
    });
    let found = site.succeed(&["lists", "search", "www.new.test"]);
    assert!(
        found.contains("gambling") && found.contains("new.test"),
        "{found}"
    );
    site.succeed(&["lists", "remove", "gambling", "new.test"]);
    weir.reload();
    eventually("it is open", || {
        (weir.get(&origin.url("new.test", "/")).status == 200).then_some(())
    });
}

#[test]
fn the_starter_lists_have_every_category_of_the_school_and_block_on_day_one() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |url: &str| {
        let output = weir_tests::process::run(&["explain", url, "--json"], folder.path());
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    let blocked = explain("http://bet365.com/");
    assert!(blocked.to_string().contains("gambling"), "{blocked}");
    let helpline = explain("https://www.childline.org.uk/");
    assert_ne!(helpline["verdict"], "block", "AF-12: {helpline}");
}
