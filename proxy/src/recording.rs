//! How this Weir's configuration says that records are kept: for the recorder, and for whoever reads them by command.

use weir_config::Settings;
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
