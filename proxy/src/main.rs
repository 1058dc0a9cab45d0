//! Weir: a web-filtering forward proxy for schools. The binary; `cli` reads the command
//! line, `run` serves.

mod allowance;
mod body;
mod bound;
mod cli;
mod clock;
mod conceal;
mod conn;
mod connect;
mod connection;
mod control;
mod deadline;
mod decision;
mod descriptors;
mod dial;
mod forward;
mod framing;
mod held;
mod hello;
mod hop_by_hop;
mod identify;
mod initiator;
mod interim;
mod law;
mod listener;
mod login;
mod memory;
mod metrics;
mod pages;
mod pool;
mod provenance;
mod reload;
mod reply;
mod request;
mod resolve;
mod run;
mod sealed;
mod seats;
mod shared;
mod size;
mod snapshot;
mod stream;
mod tap;
mod task;
mod terms;
mod titles;
mod tls;
mod transfer;
mod tunnel;
mod update;
mod upgrade;
mod users;
mod versions;
mod warn;
mod watch;
mod witness;
mod worker;

/// Everything allocates a little; mimalloc does it at half the cost of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
