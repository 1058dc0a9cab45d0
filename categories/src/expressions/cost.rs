//! Decides how much an expression costs: in the worst case a question takes time, and always the index takes memory, in
//! proportion to the states that its expressions have once compiled. Counted repetitions hide many of them in a short text.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// What the expressions of one source may cost together; those of public lists come to a hundredth of it. A source at the bound
/// needs some 25 MB. With expressions made to be slow it takes a quarter of a second of a question about the longest address,
/// with such as people write a thousandth of that.
pub(crate) const SOURCE_MAX: u64 = 200_000;

/// About the number of states of `expression`; far too many for one that cannot be read.
pub(crate) fn cost(expression: &str) -> u64 {
    let read = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(expression);
    read.map_or(u64::MAX, |hir| states(&hir))
}

fn states(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let times = repetition
                .max
                .unwrap_or(repetition.min.saturating_add(1))
                .max(1);
            states(&repetition.sub)
                .saturating_add(1)
                .saturating_mul(times.into())
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            let each = parts.iter().map(states);
            each.fold(1, u64::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_repetition_costs_what_it_repeats() {
        assert!(cost("word") <= 6);
        assert!(cost("(a|b)*a(a|b){400}c") >= 400);
        assert!(cost("[a-z]{8000}") >= 8_000);
        assert!(cost("((a{20}){20}){20}") >= 8_000);
        assert!(cost("x+") < 10);
        assert_eq!(cost("(a"), u64::MAX);
    }
}
