//! Moments as people give them: RFC 3339, or the school's own date and time.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Failure;

/// The form of every argument that is a moment.
pub(super) const FORM: &str = "2026-09-10T08:45:00Z, 2026-09-10T08:45 or 2026-09-10";

/// The moment of `text`. A date alone is its first moment.
///
/// # Errors
/// When it is in none of the forms.
pub(super) fn from(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    read(text, zone, 0)
}

/// The moment that ends a range: a date alone is its last day, so its end is meant.
///
/// # Errors
/// When it is in none of the forms.
pub(super) fn to(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    read(text, zone, 1)
}

/// The school's time zone.
///
/// # Errors
/// When the program's time zone data does not have it; the configuration was checked, so it
/// does.
pub(super) fn zone(policy: &weir_config::PolicyFile) -> Result<TimeZone, Failure> {
    TimeZone::get(&policy.time_zone).map_err(Failure::refused)
}

fn read(text: &str, zone: &TimeZone, days_after_date: i64) -> Result<Timestamp, Failure> {
    let unreadable = || Failure::Arguments(format!("{text:?} is no moment: write {FORM}"));
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    // A date parses as a date with midnight, so it must be tried before that.
    let local = match Date::strptime("%Y-%m-%d", text) {
        Ok(date) => date
            .checked_add(days_after_date.days())
            .map(|date| date.at(0, 0, 0, 0)),
        Err(_) => text.parse::<DateTime>(),
    };
    let zoned = local.and_then(|local| local.to_zoned(zone.clone()));
    zoned
        .map(|zoned| zoned.timestamp())
        .map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn london() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    #[test]
    fn local_moments_are_the_schools_own() {
        let cases = [
            ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
            ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00Z"),
            ("2026-07-01T12:00", "2026-07-01T11:00:00Z"),
            ("2026-07-01 12:00:30", "2026-07-01T11:00:30Z"),
            ("2026-12-01", "2026-12-01T00:00:00Z"),
            ("2026-07-01", "2026-06-30T23:00:00Z"),
        ];
        for (given, expected) in cases {
            assert_eq!(
                from(given, &london()).unwrap().to_string(),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn a_range_to_a_date_includes_the_day() {
        let end = to("2026-07-01", &london()).unwrap();
        assert_eq!(end.to_string(), "2026-07-01T23:00:00Z");
        let exact = to("2026-07-01T09:00", &london()).unwrap();
        assert_eq!(exact.to_string(), "2026-07-01T08:00:00Z");
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for given in [
            "",
            "yesterday",
            "2026-13-01",
            "01/07/2026",
            "12:00",
            "2026-07-01T25:00",
        ] {
            let told = from(given, &london()).unwrap_err().to_string();
            assert!(told.contains("2026-09-10"), "{given}: {told}");
        }
    }
}
