#![no_main]
#[path = "../../proxy/src"]
mod proxy {
    pub(crate) mod hello;
}

use proxy::hello::{Peek, parse};

// Bytes that were judged are judged the same when more follow: a hello cut anywhere gets one verdict.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    let cut = data.len() / 2;
    let part = parse(data.get(..cut).unwrap_or_default());
    if part != Peek::More {
        assert_eq!(part, whole);
    }
});
