//! How this Weir's configuration says that records are kept: for the recorder, and for whoever reads them by command.

use weir_config::Settings;
use weir_monitoring::proof::{self, Aside};
use weir_monitoring::{KekSource, KeyError, RecorderSettings, Store};

/// What the recorder is told.
///
/// # Errors
/// When `records.kek` names no key.
pub(crate) fn settings(settings: &Settings) -> Result<RecorderSettings, KeyError> {
    let records = &settings.records;
    Ok(RecorderSettings {
        flush: records.flush,
        sync: records.sync,
        segment_rows: records.segment_rows,
        seal_after: records.seal_after,
        checkpoint: records.checkpoint,
        retain: records.retain,
        retain_content: records.retain_content,
        queue: records.queue,
        kek: kek(settings)?,
        tenant: records.tenant.clone(),
        state: Some(settings.state.clone()),
        ..RecorderSettings::new(settings.records_directory())
    })
}

/// Where the key-encryption key is: where the configuration says, else beside the records.
pub(crate) fn kek(settings: &Settings) -> Result<KekSource, KeyError> {
    match &settings.records.kek {
        Some(source) => source.parse(),
        None => Ok(KekSource::beside(&settings.records_directory())),
    }
}

/// The records, opened for reading.
///
/// # Errors
/// When their key cannot be read, or is another.
pub(crate) fn store(settings: &Settings) -> Result<Store, KeyError> {
    let directory = settings.records_directory();
    Store::open(&directory, &kek(settings)?, &settings.records.tenant)
}

/// What is to be said of logs that could not be continued and were set aside, with what to do about each.
pub(crate) fn aside(settings: &Settings) -> Vec<String> {
    let directory = settings.records_directory();
    let place = proof::log_directory(&directory, "");
    let told = |Aside { name, is_plain }: &Aside| {
        let why = match is_plain {
            true => {
                "it is of a Weir from before records were encrypted, and neither it nor the journals and segments of that time \
                 are read by this one"
            }
            false => "a gap row of that start says why",
        };
        format!(
            "the log in {} could not be continued and was set aside: {why}. What it covered is proved by it alone: keep a copy \
             with the backups, check that with `weir-verify`, then move it out of {}",
            place.join(name).display(),
            place.display()
        )
    };
    // A directory that cannot be listed is told by the recorder.
    let aside = proof::aside(&directory).unwrap_or_default();
    aside.iter().map(told).collect()
}
