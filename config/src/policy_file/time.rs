//! Days of the week and times of the day, as the policy file writes them.

use std::fmt;

use jiff::civil::{Date, Weekday};
use toml::Spanned;
use toml::de::DeValue;

use crate::value::{Node, Sink, Value};
use crate::words::words;

words! {
    /// A day of the week.
    Day {
        /// Monday
        Monday = "mon",
        /// Tuesday
        Tuesday = "tue",
        /// Wednesday
        Wednesday = "wed",
        /// Thursday
        Thursday = "thu",
        /// Friday
        Friday = "fri",
        /// Saturday
        Saturday = "sat",
        /// Sunday
        Sunday = "sun",
    }
}

impl Day {
    /// The calendar's own type.
    pub fn weekday(self) -> Weekday {
        match self {
            Day::Monday => Weekday::Monday,
            Day::Tuesday => Weekday::Tuesday,
            Day::Wednesday => Weekday::Wednesday,
            Day::Thursday => Weekday::Thursday,
            Day::Friday => Weekday::Friday,
            Day::Saturday => Weekday::Saturday,
            Day::Sunday => Weekday::Sunday,
        }
    }
}

/// A time of day to the minute, from 00:00 to 24:00, which ends a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(u16);

impl ClockTime {
    /// Minutes since midnight, 0 to 1440.
    pub fn minutes(self) -> u16 {
        self.0
    }

    fn parse(text: &str) -> Option<ClockTime> {
        let (hour, minute) = text.split_once(':')?;
        let number = |part: &str| {
            let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        let minutes = hour * 60 + minute;
        (minute < 60 && minutes <= 24 * 60).then_some(ClockTime(minutes))
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// In quotation marks, or as TOML's own time of day with zero seconds.
impl Value for ClockTime {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> ClockTime {
        let written = written(node.value);
        let text = written.strip_suffix(":00").filter(|rest| rest.len() == 5);
        ClockTime::parse(text.unwrap_or(&written)).unwrap_or_else(|| {
            faults(
                node.value.span(),
                format!("{written:?} is no time of day, such as \"08:45\""),
            );
            ClockTime(0)
        })
    }
}

/// In quotation marks, or as TOML's own day.
impl Value for Date {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Date {
        let written = written(node.value);
        // The library also takes a day with a time; only the day itself is meant here.
        let day = Some(&written).filter(|text| text.len() == 10);
        day.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            faults(
                node.value.span(),
                format!("{written:?} is no day, such as \"2026-09-02\""),
            );
            Date::MIN
        })
    }
}

fn written(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Integer(number) => number.to_string(),
        other => other.type_str().to_owned(),
    }
}
