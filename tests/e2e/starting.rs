//! What keeps Weir from starting, and what it says of it.

use std::net::TcpListener;

use weir_tests::site::Site;

#[test]
fn an_address_that_somebody_else_has_is_told_with_its_key_and_what_to_do() {
    let site = Site::new();
    let one = site.start();
    let output = site.weir(&["run"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let port = site.proxy.port();
    for words in [
        "listener \"main\" cannot listen at ",
        "(listener[1].address)",
        "another Weir that still runs",
        &*format!("ss -ltnp 'sport = :{port}'"),
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    drop(one);
    let _taken = TcpListener::bind(site.console).unwrap();
    let output = site.weir(&["run"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let port = site.console.port();
    assert!(
        text.contains("(console.address)") && text.contains(&format!("sport = :{port}'")),
        "{text}"
    );
}
