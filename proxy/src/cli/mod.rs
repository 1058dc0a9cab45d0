//! The command line: what can be asked of `weir` beside serving.
//!
//! Decides arguments, what is printed and exit statuses: 0 done, 1 a negative answer
//! (blocked, faults found, refused), 2 unusable arguments or configuration. What the
//! answers are is decided where a running Weir decides them.
//!
//! Changes are made to files; a running Weir notices changed lists and users by itself
//! within a second. Every change and every look at records leaves a line in the audit file.

pub(crate) mod audit;
mod basis;
mod check;
mod explain;
mod lists;
mod notice;
mod output;
mod policy;
mod progress;
mod records;
mod screen;
mod users;
mod when;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use weir_config::{Faults, Loaded};

/// A web-filtering forward proxy for schools. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "weir", version)]
struct Args {
    /// Configuration file; without it config/weir.toml, /etc/weir/weir.toml or the one
    /// inside the program, whichever is found first.
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM; SIGHUP reads the configuration again.
    Run,
    /// Report every fault of configuration, policy, lists and users at once.
    Check(check::Check),
    /// Say what would become of a request, by which rule, list and entry.
    Explain(explain::Explain),
    /// Category lists: import, change, look.
    #[command(subcommand)]
    Lists(lists::Lists),
    /// Local users.
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// The authorisation to monitor, without which no content is recorded.
    #[command(subcommand)]
    Basis(basis::BasisCommand),
    /// Who was given the monitoring notice, and who was not.
    #[command(subcommand)]
    Notice(notice::NoticeCommand),
    /// Policies that were in force, as they were written.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Monitoring records. Every look states its purpose and is audited.
    #[command(subcommand)]
    Records(Box<records::Records>),
}

/// What a command that did its work has to say by its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, allowed, without fault.
    Yes,
    /// Blocked, faults found.
    No,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration cannot be used; every fault.
    #[error("{0}")]
    Configuration(Faults),
    /// The arguments cannot be used.
    #[error("{0}")]
    Arguments(String),
    /// What was asked for cannot be done, and nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Standard output cannot be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    fn refused(error: impl ToString) -> Failure {
        Failure::Refused(error.to_string())
    }
}

/// Reads the process's arguments and does what they say.
pub(crate) fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => dispatch(args),
        Err(error) => {
            // Help and version are no errors; where they cannot be printed there is nobody
            // to tell.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

fn dispatch(args: Args) -> ExitCode {
    let load = || weir_config::load(args.config.as_deref()).map_err(Failure::Configuration);
    let mut out = BufWriter::new(io::stdout());
    let answer = match args.command.unwrap_or(Command::Run) {
        Command::Run => {
            drop(out);
            return match load() {
                Ok(loaded) => crate::run::run(loaded),
                Err(failure) => told(Err(failure)),
            };
        }
        Command::Check(check) => check.run(weir_config::examine(args.config.as_deref()), &mut out),
        Command::Explain(explain) => load().and_then(|loaded| explain.run(loaded, &mut out)),
        Command::Lists(lists) => load().and_then(|loaded| lists.run(&loaded, &mut out)),
        Command::Users(users) => load().and_then(|loaded| users.run(&loaded, &mut out)),
        Command::Basis(basis) => load().and_then(|loaded| basis.run(&loaded, &mut out)),
        Command::Notice(notice) => load().and_then(|loaded| notice.run(&loaded, &mut out)),
        Command::Policy(policy) => load().and_then(|loaded| policy.run(&loaded, &mut out)),
        Command::Records(records) => load().and_then(|loaded| records.run(&loaded, &mut out)),
    };
    let flushed = out.flush();
    drop(out);
    told(answer.and_then(|answer| Ok(flushed.map(|()| answer)?)))
}

fn told(answer: Result<Answer, Failure>) -> ExitCode {
    match answer {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::FAILURE,
        // `weir … | head` has had all it wanted.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("weir: {failure}");
            let unusable = matches!(failure, Failure::Configuration(_) | Failure::Arguments(_));
            ExitCode::from(if unusable { 2 } else { 1 })
        }
    }
}

/// What a running Weir does about a change of files, said after one was made.
fn will_be_noticed(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "A running Weir takes this up within a second, with lists of millions within a few."
    )
}

/// Where a configuration was read from, for people.
fn shown_path(loaded: &Loaded) -> String {
    match &loaded.path {
        Some(path) => path.display().to_string(),
        None => "the configuration inside the program".to_owned(),
    }
}

#[cfg(test)]
mod tests;
