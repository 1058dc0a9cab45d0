//! The purpose that every export states: one of the policy's codes, or there is no export (LM-03).

use weir_config::Purpose;

/// Why a purpose is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurposeError {
    /// Nothing was given.
    #[error("records leave for a stated purpose only; one of: {}", Purpose::WORDS.join(", "))]
    Missing,
    /// Reserved by SI 2018/356 regulation 4(1)(d).
    #[error(
        "national security is not a purpose that a school may state: SI 2018/356 regulation 4(1)(d) reserves it"
    )]
    NationalSecurity,
    /// None of the codes.
    #[error("\"{code}\" is no purpose; one of: {}", Purpose::WORDS.join(", "))]
    Unknown {
        /// What was given.
        code: String,
    },
}

/// Reads a purpose code.
///
/// # Errors
/// When it is missing, reserved or unknown.
pub fn purpose(code: &str) -> Result<Purpose, PurposeError> {
    match code {
        "" => Err(PurposeError::Missing),
        "national-security" => Err(PurposeError::NationalSecurity),
        code => Purpose::from_word(code).ok_or_else(|| PurposeError::Unknown {
            code: crate::scrub::text(code, 64).into_owned(),
        }),
    }
}
