//! `weir-verify`: the offline verifier of a records directory or an export bundle. Exit status: 0 it holds, 1 it does not, 2 it could not be checked.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use weir_evidence::TagKey;
use weir_monitoring::{KekSource, Store};
use weir_verify::{Outside, check, check_bundle, is_bundle};

const USAGE: &str = "\
weir-verify DIRECTORY [--kek-file FILE] [--key FILE]… [--checkpoint PATH]… [--tag-key FILE] [--state DIR] [--leaves FILE] [--json]

Checks an export bundle of Weir, or the log of a records directory: every row, every checkpoint, without network and
without Weir.

  --kek-file FILE    the key of the records, without which rows cannot be read: then only the checkpoints, their
                     signatures and the digests of sealed files are checked
  --key FILE         public keys that were kept outside, one a line
  --checkpoint PATH  a checkpoint that was kept outside, or a directory of them (*.note), which must all fit
  --tag-key FILE     of a bundle: checks that the tag is the person's, for an auditor who has this key
  --state DIR        of a records directory: where basis.jsonl, notice.jsonl and policies/ lie, of which checkpoints speak
  --leaves FILE      of a records directory: writes node, number and hash of every leaf, for other tools
  --json             the report as JSON

Exit status: 0 it holds, 1 it does not, 2 it could not be checked.";

struct Args {
    directory: PathBuf,
    outside: Outside,
    kek: Option<PathBuf>,
    leaves: Option<PathBuf>,
    tag_key: Option<TagKey>,
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
    let mut tag_key = None;
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
            Some("--tag-key") => {
                let path = file().ok_or("--tag-key needs a file")?;
                let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
                let key = text
                    .and_then(|text| TagKey::from_text(&text).map_err(|error| error.to_string()));
                tag_key = Some(key.map_err(|error| format!("{}: {error}", path.display()))?);
            }
            Some("--state") => outside.add_state(&file().ok_or("--state needs a directory")?),
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
        tag_key,
        json,
    }))
}

fn run(args: &Args) -> io::Result<bool> {
    if is_bundle(&args.directory) {
        let report = check_bundle(&args.directory, &args.outside, args.tag_key.as_ref())?;
        print(args, &report.to_json(), &report.to_text())?;
        return Ok(report.holds());
    }
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
    print(args, &report.to_json(), &report.to_text())?;
    Ok(report.holds())
}

fn print(args: &Args, json: &serde_json::Value, text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{json}")
    } else {
        write!(out, "{text}")
    }
}
