//! `weir records export`

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use weir_config::Loaded;
use weir_monitoring::basis::History;
use weir_monitoring::export::{self, ExportError, Format, Statement};
use weir_monitoring::query::{Order, Query};

use super::super::{Answer, Failure, output};
use super::bundle::Bundle;
use super::filter::{Filter, WITHHELD, unknown_user};
use super::reading::{Asked, Given, Read, Reading, check_export};
use super::whole;
use crate::recording;
use crate::users::file;

/// Arguments of `weir records export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    filter: Filter,
    /// Form of the rows: csv, jsonl or parquet.
    #[arg(long, default_value = "csv")]
    format: Format,
    /// File for the rows; the statement goes beside it as PATH.statement.json. Without it
    /// rows go to standard output and the statement to standard error.
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Write over an earlier export of the same path.
    #[arg(long, requires = "output")]
    force: bool,
    /// The statement as JSON instead of words.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bundle: Bundle,
}

impl Export {
    pub(super) fn run(
        self,
        loaded: &Loaded,
        out: &mut (dyn Write + Send),
    ) -> Result<Answer, Failure> {
        if let Some(to) = &self.bundle.bundle {
            let query = super::bundle::bounded(self.filter.query(Order::Oldest, loaded)?);
            let asked = Asked {
                person: Some("--bundle"),
                ..Asked::of("records export --bundle", &query)
            };
            return self.reading.around(loaded, &asked, |read| {
                check_export(loaded, &query)?;
                self.bundle
                    .run(loaded, read, query.clone(), to, self.json, out)
            });
        }
        if self.output.is_none() && self.format == Format::Parquet {
            let told = "Parquet is for a file: name it with --output".to_owned();
            return Err(Failure::Arguments(told));
        }
        if let Some(path) = &self.output {
            self.check_target(path)?;
        }
        let query = self.filter.query(Order::Oldest, loaded)?;
        let query = Query {
            withhold_people: !self.reading.has_case(),
            ..query
        };
        self.reading
            .around(loaded, &Asked::of("records export", &query), |read| {
                check_export(loaded, &query)?;
                self.export(read, &query, loaded, out)
            })
    }

    fn export(
        &self,
        read: &Read,
        query: &Query,
        loaded: &Loaded,
        out: &mut (dyn Write + Send),
    ) -> Result<(Answer, Given), Failure> {
        let statement = match &self.output {
            Some(path) => {
                let statement = self.to_file(loaded, read, query, path)?;
                writeln!(out, "{}", self.told(&statement)?)?;
                statement
            }
            None => {
                let statement = self.write(loaded, read, query, out)?;
                out.flush()?;
                eprintln!("{}", self.told(&statement)?);
                statement
            }
        };
        for remark in &statement.remarks {
            eprintln!("weir: {remark}");
        }
        let given = Given::rows(statement.rows)
            .with("sha256", statement.sha256.as_str())
            .with("unreadable", statement.unreadable.len());
        Ok((whole(&statement.unreadable), given))
    }

    fn write(
        &self,
        loaded: &Loaded,
        read: &Read,
        query: &Query,
        out: &mut (dyn Write + Send),
    ) -> Result<Statement, Failure> {
        let records = &recording::store(&loaded.settings).map_err(Failure::refused)?;
        let exported = export::run(records, query, self.format, read.purpose().as_str(), out);
        let mut statement = exported.map_err(|error| match error {
            ExportError::Purpose(error) => Failure::Arguments(error.to_string()),
            ExportError::Search(error) => Failure::refused(error),
            ExportError::Output(error) => Failure::Output(error),
        })?;
        if query.withhold_people {
            statement.remarks.push(WITHHELD.to_owned());
        }
        match History::read(&loaded.settings.state) {
            Ok(history) => statement.basis = history.during(query.from, query.to),
            Err(error) => statement.remarks.push(error.to_string()),
        }
        statement
            .remarks
            .extend(unknown_user(query, statement.rows, loaded)?);
        Ok(statement)
    }

    /// What is there already may be the evidence of another case; and what is no file, such as a device, must not be
    /// replaced by one.
    fn check_target(&self, path: &Path) -> Result<(), Failure> {
        for target in [path.to_owned(), beside(path, ".statement.json")] {
            let refused = match fs::symlink_metadata(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => error.to_string(),
                Ok(metadata) if !metadata.is_file() => "it is there and no regular file".to_owned(),
                Ok(_) if self.force => continue,
                Ok(_) => "it is there already; --force writes over it".to_owned(),
            };
            let target = target.display();
            return Err(Failure::Arguments(format!(
                "{target}: {refused}; nothing was exported"
            )));
        }
        Ok(())
    }

    /// Only a whole export gets the name that was asked for, and only its owner may read
    /// it.
    fn to_file(
        &self,
        loaded: &Loaded,
        read: &Read,
        query: &Query,
        path: &Path,
    ) -> Result<Statement, Failure> {
        let unwritable = |error: io::Error| {
            Failure::Arguments(format!("{}: {error}; nothing was exported", path.display()))
        };
        let part = beside(path, ".part");
        // What an export that was killed has left; and what somebody else has put there would let them read along.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = part.display();
                return Err(Failure::Arguments(format!(
                    "{path}: {error}: take it away; nothing was exported"
                )));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        let options = options.create_new(true).write(true).mode(0o600);
        let mut rows = options.open(&part).map_err(unwritable)?;
        let written = self.write(loaded, read, query, &mut rows);
        let placed = written.and_then(|statement| {
            place(&rows, &part, path, &statement).map_err(unwritable)?;
            Ok(statement)
        });
        if placed.is_err() {
            // The error above is the one to tell.
            let _ = fs::remove_file(&part);
        }
        placed
    }

    fn told(&self, statement: &Statement) -> Result<String, Failure> {
        if self.json {
            return serde_json::to_string(statement).map_err(Failure::refused);
        }
        let to = self.output.as_ref().map_or_else(String::new, |path| {
            let (file, statement) = (path.display(), beside(path, ".statement.json"));
            format!(" to {file}, with the statement in {}", statement.display())
        });
        let moment = |moment: Option<jiff::Timestamp>| {
            moment.map_or_else(|| "-".to_owned(), |moment| format!("{moment:.0}"))
        };
        Ok(format!(
            "Exported {} for {}{to}. From {} to {}; {} in that time, requests and tunnels still \
             open: {}. SHA-256 {}",
            output::counted(statement.rows, "row", "rows"),
            statement.purpose,
            moment(statement.first),
            moment(statement.last),
            output::counted(statement.gaps, "gap", "gaps"),
            output::count(statement.still_open),
            statement.sha256,
        ))
    }
}

fn place(rows: &File, part: &Path, path: &Path, statement: &Statement) -> io::Result<()> {
    rows.sync_all()?;
    let text = serde_json::to_string_pretty(statement).map_err(io::Error::other)?;
    file::replace(
        &beside(path, ".statement.json"),
        format!("{text}\n").as_bytes(),
        0o600,
    )?;
    fs::rename(part, path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
