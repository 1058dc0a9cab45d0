//! One person's records handed over while Weir runs, and checked by somebody who has nothing but them.

use weir_tests::client::Request;
use weir_verify::{Outside, check_bundle};

use crate::lab;

const PASSWORD: &str = "correct horse";

#[test]
fn a_bundle_of_a_running_weir_reaches_up_to_now_and_proves_to_a_stranger_lm_36() {
    let (mut site, origin) = lab(&["site.test"]);
    site.listener("login", "\"required\"");
    site.user("anna", PASSWORD, &["pupils"]);
    site.user("tom", PASSWORD, &["pupils"]);
    let weir = site.start();
    for number in 0..5 {
        for user in ["anna", "tom"] {
            let url = origin.url("site.test", &format!("/{user}/{number}"));
            let response = weir.ask(&Request::get(&url).user(user, PASSWORD));
            assert_eq!(response.status, 200);
        }
    }
    site.record(&[("host", "site.test"), ("user", "tom")]);
    let to = site.path("handed-over");
    let name = to.to_str().unwrap();
    let line = ["records", "export", "--purpose", "unauthorised-use"];
    let told = site.succeed(
        &[
            &line[..],
            &["--case", "2026/17", "--user", "anna", "--bundle", name],
        ]
        .concat(),
    );
    assert!(told.contains("Exported 5 rows"), "{told}");
    let report = check_bundle(&to, &Outside::default(), None).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    // Nothing of it waited to be sealed, though Weir has not stopped, and nobody else is in it.
    let unproved = std::fs::read_to_string(to.join("unproved.jsonl")).unwrap();
    assert_eq!(unproved, "");
    let rows = std::fs::read_to_string(to.join("rows.jsonl")).unwrap();
    assert!(!rows.contains("tom"), "{rows}");
    let url = origin.url("site.test", "/after");
    assert_eq!(
        weir.ask(&Request::get(&url).user("anna", PASSWORD)).status,
        200
    );
}
