//! A disk without room: stated in health and in the gap, and decided on as the school says.

use std::path::Path;
use std::process::Command;

use weir_tests::eventually;
use weir_tests::site::Site;

use super::in_unbroken_order;
use crate::lab;

/// A file system of its own, gone when dropped.
pub(super) struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` where this machine lets nobody mount: the test then says so and passes over.
    pub(super) fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at);
        mount
            .status()
            .is_ok_and(|status| status.success())
            .then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Fills the disk to its last byte; removing the file makes room again.
pub(super) fn fill(disk: &SmallDisk) -> std::path::PathBuf {
    use std::io::Write;
    let path = disk.0.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [65536, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_is_stated_in_health_and_in_the_gap_and_traffic_goes_on() {
    let mut site = Site::new();
    let Some(disk) = SmallDisk::mount(&site.path("state").join("records")) else {
        eprintln!("skipped: this machine lets nobody mount a small file system");
        return;
    };
    let (site, weir) = {
        site.set("records.when_unwritable", "\"allow\"");
        let weir = site.start();
        (site, weir)
    };
    assert_eq!(weir.health().status, 200);
    let ballast = fill(&disk);
    let mut client = weir.client();
    let health = eventually("health says that records are lost", || {
        assert_eq!(
            client.get("http://bet.test/").status,
            403,
            "filtering goes on"
        );
        let health = weir.health();
        (health.status == 503).then_some(health)
    });
    assert!(health.text().contains("record"), "{}", health.text());
    assert!(weir.metric("weir_records_writable") < 1.0);
    std::fs::remove_file(ballast).unwrap();
    eventually("health is good again", || {
        client.get("http://bet.test/");
        (weir.health().status == 200).then_some(())
    });
    let gap = site.record(&[("kind", "gap")]);
    assert!(!gap.lacks("note"), "the gap says why: {gap:?}");
    client.get("http://www.casino.test/");
    site.record(&[("host", "www.casino.test")]);
    in_unbroken_order(&site.records(&[]));
    drop(weir);
}

#[test]
fn a_school_may_prefer_no_traffic_to_unrecorded_traffic() {
    let (mut site, origin) = lab(&["site.test"]);
    let Some(disk) = SmallDisk::mount(&site.path("state").join("records")) else {
        eprintln!("skipped: this machine lets nobody mount a small file system");
        return;
    };
    site.set("records.when_unwritable", "\"refuse\"");
    let weir = site.start();
    let url = origin.url("site.test", "/");
    assert_eq!(weir.get(&url).status, 200);
    let ballast = fill(&disk);
    eventually("requests are refused", || {
        (weir.get(&url).status == 503).then_some(())
    });
    std::fs::remove_file(ballast).unwrap();
    eventually("requests are served again", || {
        (weir.get(&url).status == 200).then_some(())
    });
    drop(weir);
}
