//! Patterns behind a namespace.
//!
//! Prefixing a glob finds the prefixed names, but not the kit's companions, whose names start with `ck:` above and below
//! (`ck:lease:{staging:k}`). A glob that can match `ck:` is therefore replaced by one that finds more, and what it found
//! is compared with the caller's own glob once the namespace is off.

use bytes::Bytes;
use cachekit_keys::{KeyError, Pattern};

use super::{names::Names, wake};
const RESERVED: &[u8] = b"ck:";

/// What to look for below, for a glob above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Exactly the names that match this.
    Exact(Pattern),
    /// Some of the names that match this.
    Among(Pattern),
}

impl Search {
    /// For a glob over keys.
    pub(super) fn keys(names: &Names, glob: &[u8]) -> Result<Self, KeyError> {
        let start = literal_start(glob);
        Ok(match reach(&start) {
            Reach::Others => Self::Exact(prefixed(names, glob)?),
            // The prefix stands before `ck:` or behind it.
            Reach::Reserved => Self::Among(containing(kind_of(&start))?),
            Reach::Both => Self::Among(containing(names.prefix())?),
        })
    }

    pub(super) fn pattern(&self) -> &Pattern {
        match self {
            Self::Exact(pattern) | Self::Among(pattern) => pattern,
        }
    }
}

/// Globs over channels below, for one above; what they find may be more than it means.
pub(super) fn channels(names: &Names, glob: &[u8]) -> Result<Vec<Bytes>, KeyError> {
    let mut globs = vec![prefixed(names, glob)?.to_bytes()];
    if reach(&literal_start(glob)) != Reach::Others {
        let wake_ups = Pattern::builder().literal(wake::PREFIX).any();
        globs.push(wake_ups.literal(names.prefix()).any().build()?.to_bytes());
    }
    Ok(globs)
}

/// The glob behind the namespace. It matches a prefixed name exactly where the glob matches the name.
pub(super) fn prefixed(names: &Names, glob: &[u8]) -> Result<Pattern, KeyError> {
    if glob.is_empty() {
        return Err(KeyError::Empty { what: "pattern" });
    }
    let prefix = Pattern::builder().literal(names.prefix()).build()?;
    Pattern::raw([prefix.as_bytes(), glob].concat())
}

fn containing(text: &[u8]) -> Result<Pattern, KeyError> {
    Pattern::builder().any().literal(text).any().build()
}

/// Which names a glob can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// None of the kit's own.
    Others,
    /// Only the kit's own.
    Reserved,
    Both,
}

fn reach(start: &[u8]) -> Reach {
    if start.starts_with(RESERVED) {
        Reach::Reserved
    } else if RESERVED.starts_with(start) {
        Reach::Both
    } else {
        Reach::Others
    }
}

/// The bytes that every name starts with which the glob matches.
fn literal_start(glob: &[u8]) -> Vec<u8> {
    let mut start = Vec::new();
    let mut rest = glob;
    loop {
        rest = match rest {
            [] | [b'*' | b'?' | b'[', ..] => return start,
            [b'\\', escaped, rest @ ..] => {
                start.push(*escaped);
                rest
            }
            [byte, rest @ ..] => {
                start.push(*byte);
                rest
            }
        };
    }
}

/// `ck:` and the kind, as far as they are known: no more of a companion's name is the same above and below.
fn kind_of(start: &[u8]) -> &[u8] {
    let behind = RESERVED.len();
    match start[behind..].iter().position(|&byte| byte == b':') {
        Some(colon) => &start[..=behind + colon],
        None => start,
    }
}
