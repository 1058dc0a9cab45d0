//! `weir lists forget`

use std::io::Write;

use serde_json::json;
use weir_categories::history::How;
use weir_categories::import::{self, ForgetError, Forgotten};
use weir_config::Loaded;

use super::super::{Answer, Failure, output, will_be_noticed};
use super::acting::Acting;
use super::history::as_json;
use super::missing;

/// Arguments of `weir lists forget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// What the list was called at its import.
    name: String,
    #[command(flatten)]
    acting: Acting,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Forget {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let about = json!({ "name": self.name });
        let make = || self.made(loaded);
        let forgotten =
            self.acting
                .audited(&loaded.settings, "lists forget", about, make, |made| {
                    let version = made.version.as_ref();
                    json!({
                        "name": self.name,
                        "removed": version.map(|version| version.change().removed),
                        "version": version.map(|version| version.number),
                    })
                })?;
        if let Some(error) = &forgotten.unkept {
            eprintln!("weir: what was removed was damaged and is not in the history: {error}");
        }
        let missing = missing(loaded)?;
        let again = self.comes_again(loaded);
        if self.json {
            let value = json!({
                "name": self.name,
                "version": forgotten.version.as_ref().map(as_json),
                "categories_without_a_list": missing,
                "comes_again": again,
            });
            output::json(out, &value)?;
            return Ok(Answer::Yes);
        }
        self.tell(&forgotten, out)?;
        super::tell_missing(&missing, out)?;
        if again {
            writeln!(
                out,
                "The configuration still names {} as a [[lists.source]], so the next update brings it back: \
                 set enabled = false there, or remove it.",
                self.name
            )?;
        }
        will_be_noticed(out)?;
        Ok(Answer::Yes)
    }

    fn made(&self, loaded: &Loaded) -> Result<Forgotten, Failure> {
        let lists = weir_config::lists::imported(&loaded.settings);
        let who = self.acting.who();
        let act = self.acting.act(&who, How::Forget);
        import::forget(&lists, &self.name, &act).map_err(|error| match error {
            ForgetError::Name(_) => Failure::Arguments(error.to_string()),
            error => Failure::refused(error),
        })
    }

    fn tell(&self, forgotten: &Forgotten, out: &mut dyn Write) -> Result<(), Failure> {
        let name = &self.name;
        match &forgotten.version {
            Some(version) => {
                let change = version.change().removed;
                let entries = output::counted(change, "entry", "entries");
                writeln!(
                    out,
                    "{name} is removed, with {entries}: version {}.",
                    version.number
                )?;
                let last = version.number.saturating_sub(1);
                if last > 0 && forgotten.unkept.is_none() {
                    writeln!(out, "`weir lists rollback {name} {last}` brings it back.")?;
                }
            }
            None => writeln!(out, "{name} is removed.")?,
        }
        Ok(())
    }

    /// Whether an update will import it again.
    fn comes_again(&self, loaded: &Loaded) -> bool {
        let mut sources = loaded.settings.lists.sources.iter();
        sources.any(|source| *source.name == *self.name && source.enabled)
    }
}
