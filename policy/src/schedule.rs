//! Which periods hold at a moment, by the wall clock of the school's time zone. Does not decide what follows from it.
//!
//! A change of the clocks needs no rule of its own: when 01:30 comes twice both belong to the period, and a time that is
//! left out belongs to none.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A set of the periods of one policy.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeriodSet(u64);

impl PeriodSet {
    /// No period.
    pub const EMPTY: Self = Self(0);

    /// The period of this number, below 64, alone.
    pub(crate) fn only(number: usize) -> Self {
        Self(
            1_u64
                .checked_shl(u32::try_from(number).unwrap_or(u32::MAX))
                .unwrap_or(0),
        )
    }

    /// Whether the period of this number, in the order of the policy file, is in it.
    #[must_use]
    pub fn has(self, number: usize) -> bool {
        self.intersects(Self::only(number))
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A time of the week, perhaps of school days only.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    /// The days on which it begins.
    pub(crate) days: Vec<Weekday>,
    /// Minutes since midnight, included.
    pub(crate) from: u16,
    /// Minutes since midnight, up to 1440, excluded. Not after `from`: of the following day.
    pub(crate) to: u16,
    /// Begins only on days of a term.
    pub(crate) term_only: bool,
}

#[derive(Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    /// First and last days, both included.
    terms: Box<[(Date, Date)]>,
    periods: Box<[Period]>,
}

impl Calendar {
    pub(crate) fn new(zone: TimeZone, terms: Box<[(Date, Date)]>, periods: Box<[Period]>) -> Self {
        Self {
            zone,
            terms,
            periods,
        }
    }

    pub(crate) fn periods(&self, now: Timestamp) -> PeriodSet {
        let now = self.zone.to_datetime(now);
        let holding = self
            .periods
            .iter()
            .enumerate()
            .filter(|(_, period)| self.holds(period, now));
        holding.fold(PeriodSet::EMPTY, |all, (number, _)| {
            all.union(PeriodSet::only(number))
        })
    }

    /// Days since 1970-01-01.
    pub(crate) fn day(&self, now: Timestamp) -> i64 {
        let today = self.zone.to_datetime(now).date();
        today
            .since(Date::constant(1970, 1, 1))
            .map_or(0, |span| i64::from(span.get_days()))
    }

    fn holds(&self, period: &Period, now: DateTime) -> bool {
        let minute =
            u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
        let begun_today = || self.begins_on(period, now.date());
        if period.from < period.to {
            return (period.from..period.to).contains(&minute) && begun_today();
        }
        let begun_yesterday = || {
            now.date()
                .checked_sub(1.day())
                .is_ok_and(|day| self.begins_on(period, day))
        };
        (minute >= period.from && begun_today()) || (minute < period.to && begun_yesterday())
    }

    fn begins_on(&self, period: &Period, day: Date) -> bool {
        period.days.contains(&day.weekday()) && (!period.term_only || self.is_term(day))
    }

    fn is_term(&self, day: Date) -> bool {
        self.terms
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};

    fn calendar(period: Period) -> Calendar {
        let zone = TimeZone::get("Europe/London").expect("bundled");
        let terms = [("2026-09-02", "2026-10-23"), ("2026-11-02", "2026-12-18")];
        let date = |text: &str| text.parse::<Date>().expect("a date");
        let terms = terms.map(|(first, last)| (date(first), date(last)));
        Calendar::new(zone, terms.into(), [period].into())
    }

    fn holds(calendar: &Calendar, time: &str) -> bool {
        !calendar.periods(time.parse().expect("a time")).is_empty()
    }

    #[test]
    fn a_period_holds_by_the_clock_on_the_wall_in_summer_and_winter() {
        let days = vec![Monday, Tuesday, Wednesday, Thursday, Friday];
        let lessons = calendar(Period {
            days,
            from: 8 * 60 + 45,
            to: 15 * 60 + 15,
            term_only: true,
        });
        for (time, expected) in [
            ("2026-10-05T07:44:59Z", false),
            ("2026-10-05T07:45:00Z", true),
            ("2026-10-05T14:14:59Z", true),
            ("2026-10-05T14:15:00Z", false),
            ("2026-11-09T08:44:59Z", false),
            ("2026-11-09T08:45:00Z", true),
            ("2026-11-09T15:14:59Z", true),
            ("2026-10-10T10:00:00Z", false),
            ("2026-10-23T10:00:00Z", true),
            ("2026-10-26T10:00:00Z", false),
            ("2026-09-01T10:00:00Z", false),
            ("2026-09-02T10:00:00Z", true),
        ] {
            assert_eq!(holds(&lessons, time), expected, "{time}");
        }
    }

    #[test]
    fn a_period_that_crosses_midnight_belongs_to_the_day_it_begins_on() {
        let night = calendar(Period {
            days: vec![Friday],
            from: 22 * 60,
            to: 6 * 60,
            term_only: true,
        });
        for (time, expected) in [
            ("2026-10-23T20:59:00Z", false),
            ("2026-10-23T21:00:00Z", true),
            ("2026-10-24T04:59:00Z", true),
            ("2026-10-24T05:00:00Z", false),
            ("2026-10-24T21:30:00Z", false),
            ("2026-10-30T22:30:00Z", false),
            ("2026-10-31T01:00:00Z", false),
            ("2026-11-06T22:30:00Z", true),
            ("2026-11-07T05:59:00Z", true),
        ] {
            assert_eq!(holds(&night, time), expected, "{time}");
        }
    }

    #[test]
    fn when_the_clocks_change_both_passes_of_an_hour_belong_to_the_period() {
        let hour = calendar(Period {
            days: vec![Sunday],
            from: 90,
            to: 105,
            term_only: false,
        });
        // 01:30 comes first in summer time, then in winter time.
        for (time, expected) in [
            ("2026-10-25T00:29:00Z", false),
            ("2026-10-25T00:30:00Z", true),
            ("2026-10-25T00:45:00Z", false),
            ("2026-10-25T01:30:00Z", true),
            ("2026-10-25T01:45:00Z", false),
            // In March there is no 01:30.
            ("2026-03-29T00:59:00Z", false),
            ("2026-03-29T01:00:00Z", false),
        ] {
            assert_eq!(holds(&hour, time), expected, "{time}");
        }
    }

    #[test]
    fn a_whole_day_has_no_gap_at_midnight() {
        let weekend = calendar(Period {
            days: vec![Saturday, Sunday],
            from: 0,
            to: 1440,
            term_only: false,
        });
        for (time, expected) in [
            ("2026-10-09T22:59:59Z", false),
            ("2026-10-09T23:00:00Z", true),
            ("2026-10-10T23:00:00Z", true),
            ("2026-10-11T22:59:59Z", true),
            ("2026-10-11T23:00:00Z", false),
        ] {
            assert_eq!(holds(&weekend, time), expected, "{time}");
        }
    }

    #[test]
    fn the_day_changes_at_local_midnight() {
        let calendar = calendar(Period {
            days: vec![Monday],
            from: 0,
            to: 1,
            term_only: false,
        });
        let day = |time: &str| calendar.day(time.parse().expect("a time"));
        assert_eq!(day("1970-01-01T12:00:00Z"), 0);
        assert_eq!(day("2026-07-01T22:59:59Z") + 1, day("2026-07-01T23:00:00Z"));
        assert_eq!(day("2026-12-01T23:59:59Z") + 1, day("2026-12-02T00:00:00Z"));
    }
}
