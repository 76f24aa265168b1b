//! The error of names: what was refused, and what the caller can do about it.
//!
//! Names are not secrets and may appear here, cut to a readable length; values and credentials never do.

/// A name that this crate refuses: an id, a key, a pattern, a channel or a date.
///
/// The variants are few and follow what a caller can do. Texts in them are cut to about 64 characters.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeyError, UserId};
///
/// let error = UserId::new("").unwrap_err();
/// assert_eq!(error, KeyError::Empty { what: "user id" });
/// assert_eq!(error.to_string(), "the user id is empty: give it at least one character");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing was given where a name is needed, or a path has an empty segment (`a::b`).
    #[error("the {what} is empty: give it at least one character")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// The encoded name is longer than its place in a key allows. A hash of it fits.
    #[error(
        "the {what} takes {bytes} encoded bytes of at most {max}: shorten it or use a hash of it"
    )]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// Its length, encoded.
        bytes: usize,
        /// The longest length that is accepted.
        max: usize,
    },
    /// A text that should be encoded already is not, or not as this crate encodes it.
    #[error(
        "`{text}` is not a canonical {what}: pass raw text to `new`, or text from `as_encoded`"
    )]
    NotCanonical {
        /// What was to be parsed.
        what: &'static str,
        /// The start of the text.
        text: String,
    },
    /// A text does not have the form of a date, a month, a number or a hash, or names none that exists.
    #[error("`{text}` is not a valid {what}")]
    Malformed {
        /// What was to be parsed.
        what: &'static str,
        /// The start of the text.
        text: String,
    },
    /// The key belongs to no known family. It may be another program's, or of a family that users declared.
    #[error(
        "`{text}` belongs to no known family: check its first word, or parse it as the type that declares it"
    )]
    UnknownFamily {
        /// The start of the key.
        text: String,
    },
    /// The key is not one of this family, in the schema's format.
    #[error("`{text}` is not a key of the family `{family}` in the schema's format")]
    NotOfFamily {
        /// The family's name.
        family: &'static str,
        /// The start of the key.
        text: String,
    },
    /// The key does not start with the schema's namespace.
    #[error("`{text}` is outside the schema's namespace: parse it with the schema that wrote it")]
    OutsideNamespace {
        /// The start of the key.
        text: String,
    },
    /// A word that the kit uses itself stands first.
    #[error("`{word}` is reserved and cannot start a {what}: choose another first word")]
    Reserved {
        /// What was to be named.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// The key is already one of the kit's own and has no companions.
    #[error(
        "`{text}` is one of the kit's own keys: ask the key that it accompanies for companions"
    )]
    CompanionOfCompanion {
        /// The start of the key.
        text: String,
    },
    /// The key has braces but no effective hash tag, so no other key can be put in its slot.
    #[error("`{text}` has braces but no hash tag, so nothing can share its slot: rename the key")]
    NoHashTag {
        /// The start of the key.
        text: String,
    },
    /// The pattern has no literal byte, so it may match every key.
    #[error(
        "the pattern `{text}` has no literal part: say `Pattern::everything` to match every key"
    )]
    MatchesEverything {
        /// The pattern.
        text: String,
    },
    /// The text pattern does not start with the name of a known family.
    #[error(
        "the pattern `{text}` starts with no known family: use `Pattern::raw` for foreign keys, or `Pattern::everything` for all"
    )]
    UnknownPattern {
        /// The start of the pattern.
        text: String,
    },
    /// The text pattern can match no key of its family, or has a class that is not closed or not ASCII.
    #[error("the pattern `{text}` cannot be rendered: {reason}")]
    UnusablePattern {
        /// The start of the pattern.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The `read` of a family does not follow the shape that it declares: an error in that type, not in the key.
    #[error("the key family `{family}` reads other fields than its shape has: correct its `read`")]
    FieldMismatch {
        /// The family's name.
        family: &'static str,
    },
}

/// How many characters of a text an error shows.
const SHOWN: usize = 64;

/// The start of a text, safe to print.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The start of a byte string, safe to print.
pub(crate) fn excerpt_bytes(bytes: &[u8]) -> String {
    // Four bytes hold every character that is shown, and nothing longer is copied.
    excerpt(&String::from_utf8_lossy(
        &bytes[..bytes.len().min(4 * SHOWN + 4)],
    ))
}

/// Refuses an encoded name of the wrong length.
pub(crate) fn check_length(what: &'static str, bytes: usize, max: usize) -> Result<(), KeyError> {
    match bytes {
        0 => Err(KeyError::Empty { what }),
        _ if bytes > max => Err(KeyError::TooLong { what, bytes, max }),
        _ => Ok(()),
    }
}
