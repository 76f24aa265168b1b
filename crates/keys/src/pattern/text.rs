//! Text patterns of families: `project:proj456:*`, taken apart into segments and rendered in a format.
//!
//! The text is in the plain format and raw: a literal character is encoded as it would be in an id, and then escaped. The
//! glob itself is not changed; only the owner's braces are added.

use std::{iter, mem};

use super::{
    Pattern,
    builder::{push_escaped, push_literal},
};
use crate::{KeyError, Part, Shape, encode, error::excerpt, words};

/// One element of a segment.
enum Piece<'a> {
    Literal(char),
    /// `*`, `?` or a class, as written.
    Wild(&'a str),
}

type Segment<'a> = Vec<Piece<'a>>;

/// Renders a text pattern of a family with one of these shapes, behind the prefix (the namespace and its `:`).
pub(crate) fn render(
    text: &str,
    shapes: &[Shape],
    prefix: &str,
    is_sharded: bool,
) -> Result<Pattern, KeyError> {
    let segments = split(text)?;
    let word = segments.first().and_then(literal);
    let shapes: Vec<&Shape> = match &word {
        Some(word) => shapes
            .iter()
            .filter(|shape| is_named(shape, word))
            .collect(),
        None => Vec::new(),
    };
    if shapes.is_empty() {
        return Err(KeyError::UnknownPattern {
            text: excerpt(text),
        });
    }
    let shapes: Vec<&Shape> = shapes
        .into_iter()
        .filter(|shape| accepts(shape, &segments))
        .collect();
    if shapes.is_empty() {
        return Err(unusable(
            text,
            "it matches no key of its family; end it with `*` to match what follows",
        ));
    }
    let owner = if is_sharded {
        owner_of(&shapes, text)?
    } else {
        None
    };
    let mut out = Vec::with_capacity(prefix.len() + text.len() + 8);
    push_literal(&mut out, prefix);
    push_segments(&mut out, &segments, owner);
    Ok(Pattern::rendered(out))
}

/// Renders a text pattern without a family, as those of channels.
pub(crate) fn render_free(text: &str) -> Result<Vec<u8>, KeyError> {
    let segments = split(text)?;
    if segments.first().and_then(literal).is_none() {
        return Err(KeyError::UnknownPattern {
            text: excerpt(text),
        });
    }
    let mut out = Vec::with_capacity(text.len());
    push_segments(&mut out, &segments, None);
    Ok(out)
}

fn push_segments(out: &mut Vec<u8>, segments: &[Segment<'_>], owner: Option<Owner>) {
    let last = segments.len() - 1;
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        let Some(owner) = owner.filter(|owner| owner.at == index) else {
            push_segment(out, segment);
            continue;
        };
        out.push(b'{');
        push_segment(out, segment);
        // A `*` at the end of the pattern goes on behind the owner: `project:proj*` becomes `project:{proj*`.
        let goes_on =
            index == last && has_star(segment) && (ends_in_star(segment) || !owner.is_last);
        if !goes_on {
            out.push(b'}');
        }
    }
}

fn push_segment(out: &mut Vec<u8>, segment: &Segment<'_>) {
    let mut encoded = String::new();
    for piece in segment {
        match piece {
            Piece::Wild(glob) => out.extend_from_slice(glob.as_bytes()),
            Piece::Literal(c) => {
                encoded.clear();
                encode::push(&mut encoded, *c);
                encoded.bytes().for_each(|byte| push_escaped(out, byte));
            }
        }
    }
}

/// Takes a pattern apart at its `:`.
fn split(text: &str) -> Result<Vec<Segment<'_>>, KeyError> {
    if text.is_empty() {
        return Err(KeyError::Empty { what: super::WHAT });
    }
    if text.len() > Pattern::MAX_BYTES / 4 {
        return Err(KeyError::TooLong {
            what: super::WHAT,
            bytes: text.len(),
            max: Pattern::MAX_BYTES / 4,
        });
    }
    let (mut segments, mut segment, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let mut width = first.len_utf8();
        match first {
            ':' => segments.push(mem::take(&mut segment)),
            '*' | '?' => segment.push(Piece::Wild(&rest[..1])),
            '[' => {
                width = class_width(rest)
                    .ok_or_else(|| unusable(text, "a class is not closed or not ASCII"))?;
                segment.push(Piece::Wild(&rest[..width]));
            }
            '\\' => {
                let escaped = rest[1..].chars().next();
                width += escaped.map_or(0, char::len_utf8);
                segment.push(Piece::Literal(escaped.unwrap_or('\\')));
            }
            _ => segment.push(Piece::Literal(first)),
        }
        rest = &rest[width..];
    }
    segments.push(segment);
    if segments.iter().any(Vec::is_empty) {
        return Err(unusable(text, "it has an empty segment"));
    }
    Ok(segments)
}

/// The length of the class at the start of the text; `None` if it is not closed, or not ASCII: the server compares bytes,
/// and half a character is in no key.
fn class_width(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = if bytes.get(1) == Some(&b'^') { 2 } else { 1 };
    loop {
        at += match bytes.get(at..)? {
            [b'\\', _, ..] => 2,
            [b']', ..] => {
                at += 1;
                break;
            }
            [_, b'-', _, ..] => 3,
            [_, ..] => 1,
            [] => return None,
        };
    }
    bytes.get(..at)?.is_ascii().then_some(at)
}

/// The encoded text of a segment without wildcards.
fn literal(segment: &Segment<'_>) -> Option<String> {
    let mut out = String::new();
    for piece in segment {
        match piece {
            Piece::Literal(c) => encode::push(&mut out, *c),
            Piece::Wild(_) => return None,
        }
    }
    Some(out)
}

fn ends_in_star(segment: &Segment<'_>) -> bool {
    matches!(segment.last(), Some(Piece::Wild("*")))
}

fn has_star(segment: &Segment<'_>) -> bool {
    segment
        .iter()
        .any(|piece| matches!(piece, Piece::Wild("*")))
}

fn has_colon(segment: &Segment<'_>) -> bool {
    segment
        .iter()
        .any(|piece| matches!(piece, Piece::Literal(':')))
}

fn is_named(shape: &Shape, word: &str) -> bool {
    if shape.is_free() {
        !words::is_taken(word)
    } else {
        shape.family() == word
    }
}

/// Whether a key of this shape may match. Behind a `*`, which may stand for several segments, nothing is known.
fn accepts(shape: &Shape, segments: &[Segment<'_>]) -> bool {
    // A free key is a path from its first word on.
    let segments = if shape.is_free() {
        segments
    } else {
        &segments[1..]
    };
    let mut rest = segments.iter();
    for part in shape.parts() {
        let Some(segment) = rest.next() else {
            return false;
        };
        if part.is_path() {
            // In a path a colon separates, and is never encoded.
            return iter::once(segment)
                .chain(rest)
                .all(|segment| !has_colon(segment));
        }
        if has_star(segment) {
            return true;
        }
        if let Part::Literal(word) = part {
            let mut glob = Vec::new();
            push_segment(&mut glob, segment);
            if !Pattern::rendered(glob).matches(word.as_bytes()) {
                return false;
            }
        }
    }
    rest.next().is_none()
}

/// Where the owner of a sharded key stands.
#[derive(Clone, Copy, PartialEq)]
struct Owner {
    at: usize,
    /// Whether nothing follows it in the key.
    is_last: bool,
}

/// The owner of these shapes, on which they must agree.
fn owner_of(shapes: &[&Shape], text: &str) -> Result<Option<Owner>, KeyError> {
    let mut owners = shapes.iter().map(|shape| {
        let at = shape.parts().iter().position(|part| part.is_owner())? + 1;
        Some(Owner {
            at,
            is_last: at == shape.parts().len(),
        })
    });
    let first = owners.next().flatten();
    if owners.all(|owner| owner == first) {
        Ok(first)
    } else {
        Err(unusable(
            text,
            "its owner could stand in several places; write out the words around it",
        ))
    }
}

fn unusable(text: &str, reason: &'static str) -> KeyError {
    KeyError::UnusablePattern {
        text: excerpt(text),
        reason,
    }
}
