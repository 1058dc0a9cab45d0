//! Decides how durations, sizes and rates are written: a whole number and a unit, `10s`, `64KiB`, `20Mbit/s`.
//!
//! Bytes are written with `B`, bits with `bit`, so that no `b` can be mistaken for the other.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZES: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Bits, in bytes times eight.
const BIT_RATES: [(&str, u64); 5] = [
    ("bit", 1),
    ("kbit", 1000),
    ("Kbit", 1000),
    ("Mbit", 1_000_000),
    ("Gbit", 1_000_000_000),
];

/// Reads `50ms`, `10s`, `5m`, `1h`, `90d`.
///
/// # Errors
/// A sentence that says how a duration is written.
pub fn duration(text: &str) -> Result<Duration, String> {
    scaled(text, &DURATIONS)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!("{text:?} is no duration: a whole number and ms, s, m, h or d, such as \"10s\"")
        })
}

/// Reads bytes: `512B`, `64KiB`, `500MB`. `k`, `M`, `G` and `T` are decimal, `Ki` and the like binary.
///
/// # Errors
/// A sentence that says how a size is written.
pub fn size(text: &str) -> Result<u64, String> {
    scaled(text, &SIZES).ok_or_else(|| {
        format!(
            "{text:?} is no size: a whole number and B, kB, MB, GB, KiB, MiB or GiB, such as \"500MB\""
        )
    })
}

/// Reads a rate as bytes a second: `20Mbit/s` (decimal bits, rounded down to bytes) or `2MB/s`.
///
/// # Errors
/// A sentence that says how a rate is written.
pub fn rate(text: &str) -> Result<u64, String> {
    let amount = text.strip_suffix("/s");
    let bytes = amount.and_then(|amount| {
        scaled(amount, &BIT_RATES)
            .map(|bits| bits / 8)
            .or_else(|| scaled(amount, &SIZES))
    });
    bytes.ok_or_else(|| {
        format!(
            "{text:?} is no rate: a whole number and kbit/s, Mbit/s, Gbit/s, kB/s or MB/s, such as \"20Mbit/s\""
        )
    })
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let cases = [
            ("50ms", 50),
            ("10s", 10_000),
            ("10 s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("90d", 7_776_000_000),
            ("0s", 0),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10S",
            "10sec",
            "1h30m",
            " 10s",
            "10  s",
            "+1s",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(
                duration(text).unwrap_err().contains("no duration"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_size_tells_decimal_from_binary() {
        let cases = [
            ("0B", 0),
            ("64KiB", 65_536),
            ("64kB", 64_000),
            ("64KB", 64_000),
            ("500MB", 500_000_000),
            ("1 GiB", 1 << 30),
            ("2TB", 2_000_000_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes));
        }
        for text in [
            "",
            "500",
            "500mb",
            "500Mb",
            "1.5GB",
            "-1B",
            "99999999TiB",
            "5Mbit",
        ] {
            assert!(size(text).unwrap_err().contains("no size"), "{text}");
        }
    }

    #[test]
    fn a_rate_is_in_bytes_whether_written_in_bits_or_bytes() {
        let cases = [
            ("20Mbit/s", 2_500_000),
            ("20 Mbit/s", 2_500_000),
            ("1Gbit/s", 125_000_000),
            ("512kbit/s", 64_000),
            ("9bit/s", 1),
            ("2MB/s", 2_000_000),
            ("64B/s", 64),
            ("1MiB/s", 1 << 20),
        ];
        for (text, bytes) in cases {
            assert_eq!(rate(text), Ok(bytes));
        }
        for text in [
            "", "20", "20M", "20Mbps", "20Mb/s", "20Mbit", "20mbit/s", "/s",
        ] {
            assert!(rate(text).unwrap_err().contains("no rate"), "{text}");
        }
    }
}
