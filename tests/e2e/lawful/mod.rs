//! On what ground something is recorded, what never is, and how that is shown: authorisation, notice, grades, provenance.

mod basis;
mod fields;
mod notice;
mod provenance;
mod secrets;

use weir_tests::client::Request;

/// A request as a browser sends it to an `http` address that somebody typed.
fn typed(url: &str) -> Request {
    Request::get(url)
        .field("Upgrade-Insecure-Requests", "1")
        .field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}
