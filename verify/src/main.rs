//! `weir-verify`: the offline verifier of a records directory. Exit status: 0 it holds, 1 it does not, 2 it could not be checked.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use weir_monitoring::{KekSource, Store};
use weir_verify::{Outside, check};

const USAGE: &str = "\
weir-verify DIRECTORY [--kek-file FILE] [--key FILE]… [--checkpoint FILE]… [--leaves FILE] [--json]

Checks the log of a records directory of Weir: every row, every checkpoint, without network and without Weir.

  --kek-file FILE    the key of the records, without which rows cannot be read: then only the checkpoints, their
                     signatures and the digests of sealed files are checked
  --key FILE         public keys that were kept outside, one a line
  --checkpoint FILE  a checkpoint that was kept outside
  --leaves FILE      writes node, number and hash of every leaf, for other tools
  --json             the report as JSON

Exit status: 0 it holds, 1 it does not, 2 it could not be checked.";

struct Args {
    directory: PathBuf,
    outside: Outside,
    kek: Option<PathBuf>,
    leaves: Option<PathBuf>,
    json: bool,
}

fn main() -> ExitCode {
    let answer = args().and_then(|args| match args {
        Some(args) => run(&args).map_err(|error| format!("{}: {error}", args.directory.display())),
        None => {
            println!("{USAGE}");
            Ok(true)
        }
    });
    match answer {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("weir-verify: {error}");
            ExitCode::from(2)
        }
    }
}

/// None when help is asked for.
fn args() -> Result<Option<Args>, String> {
    let mut outside = Outside::default();
    let (mut directory, mut kek, mut leaves, mut json) = (None, None, None, false);
    let mut given = std::env::args_os().skip(1);
    while let Some(arg) = given.next() {
        let mut file = || given.next().map(PathBuf::from);
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--json") => json = true,
            Some("--key") => {
                let path = file().ok_or("--key needs a file")?;
                outside.add_keys(&path).map_err(|error| error.to_string())?;
            }
            Some("--checkpoint") => {
                let path = file().ok_or("--checkpoint needs a file")?;
                outside
                    .add_checkpoint(&path)
                    .map_err(|error| error.to_string())?;
            }
            Some("--kek-file") => kek = Some(file().ok_or("--kek-file needs a file")?),
            Some("--leaves") => leaves = Some(file().ok_or("--leaves needs a file")?),
            Some(other) if other.starts_with('-') => {
                return Err(format!("{other} is not known\n{USAGE}"));
            }
            _ if directory.is_none() => directory = Some(PathBuf::from(arg)),
            _ => return Err(format!("one directory at a time\n{USAGE}")),
        }
    }
    let directory = directory.ok_or_else(|| format!("which directory?\n{USAGE}"))?;
    Ok(Some(Args {
        directory,
        outside,
        kek,
        leaves,
        json,
    }))
}

fn run(args: &Args) -> io::Result<bool> {
    let mut file = args
        .leaves
        .as_ref()
        .map(|path| File::create(path).map(BufWriter::new))
        .transpose()?;
    let store = match &args.kek {
        Some(path) => Store::open(&args.directory, &KekSource::File(path.clone()), "default")?,
        None => Store::without_keys(&args.directory),
    };
    let report = check(
        &store,
        &args.outside,
        &mut |node, seq, leaf| match &mut file {
            Some(file) => writeln!(file, "{node} {seq} {leaf}"),
            None => Ok(()),
        },
    )?;
    if let Some(file) = &mut file {
        file.flush()?;
    }
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", report.to_json())?;
    } else {
        write!(out, "{}", report.to_text())?;
    }
    Ok(report.holds())
}
