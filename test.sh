#!/bin/sh
# Everything that says whether Weir is in order: format, lints, unit, property, end-to-end and documentation
# tests, and a smoke run of the benches. Works on a bare Debian 12 with a Rust toolchain, as root, without a
# terminal. Arguments go to the test runner: `./test.sh bandwidth::`.
set -eu
cd "$(dirname "$0")"
export CARGO_TERM_PROGRESS_WHEN=never DEBIAN_FRONTEND=noninteractive

# Debian packages that the tests need, by a command that each brings.
missing=""
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need cc build-essential
need curl curl
need python3 python3
need chromium chromium
need certutil libnss3-tools
need mount mount
need faketime faketime
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    echo "installing:$missing"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 -- one word a package
    $sudo apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null
fi
# Other tools that exports must read the same in; from PyPI, since Debian has none of them.
readers="${CARGO_TARGET_DIR:-target}/readers"
"$readers/bin/python" -c 'import duckdb' 2>/dev/null || {
    python3 -m venv "$readers"
    "$readers/bin/pip" install --quiet --disable-pip-version-check 'duckdb>=1.4,<3'
}
WEIR_READERS="$(cd "$readers" && pwd)"
export WEIR_READERS

cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest

cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
# The whole workspace each time: with a part of it cargo would choose other features and build everything again.
cargo build --workspace
cargo test --workspace --doc --quiet
cargo test --workspace --quiet --bench lookup --bench decide --bench record --bench shape --bench relay
cargo nextest run --workspace --no-tests=pass "$@"
