//! Stretches of numbers of rows: which a segment's name says, and what is left of them.

/// The rows that the name of a segment says.
pub(crate) fn rows_of(path: &str) -> Option<(u64, u64)> {
    let stem = path.rsplit('/').next()?.strip_suffix(".parquet")?;
    let (rest, last) = stem.rsplit_once('-')?;
    let (_, first) = rest.rsplit_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// Stretches without those numbers.
pub(crate) fn without(stretches: &[(u64, u64)], from: u64, to: u64) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    for &(first, last) in stretches {
        if to < first || from > last {
            left.push((first, last));
            continue;
        }
        if first < from {
            left.push((first, from - 1));
        }
        if last > to {
            left.push((to + 1, last));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_left_without_what_explains_it() {
        assert_eq!(without(&[(1, 10)], 4, 6), [(1, 3), (7, 10)]);
        assert_eq!(without(&[(1, 10)], 0, 6), [(7, 10)]);
        assert_eq!(without(&[(1, 10)], 1, 10), []);
        assert_eq!(without(&[(1, 3), (7, 10)], 3, 7), [(1, 2), (8, 10)]);
        assert_eq!(without(&[(5, 5)], 6, 9), [(5, 5)]);
    }

    #[test]
    fn the_rows_of_a_segment_are_in_its_name() {
        let name = "2026-11-26/north-site-000000000003-000000000007.parquet";
        assert_eq!(rows_of(name), Some((3, 7)));
        for bad in ["", "2026-11-26/weir-3.parquet", "a/weir-7-3.parquet", "a/x"] {
            assert_eq!(rows_of(bad), None, "{bad}");
        }
    }
}
