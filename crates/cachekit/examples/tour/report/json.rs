//! The facts for programs: one object on one line.

use crate::facts::Facts;
use crate::failure::{Failure, in_one_line};

/// The facts as JSON text with a line end.
///
/// # Errors
///
/// [`Failure::Stopped`], should a fact have no form in JSON.
pub(super) fn object(facts: &Facts) -> Result<String, Failure> {
    serde_json::to_string(facts)
        .map(|text| text + "\n")
        .map_err(|error| Failure::Stopped(in_one_line(&error)))
}
