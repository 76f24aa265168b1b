//! The ways in which JavaScript and TypeScript announce a function with a name.

use super::headers::{Announced, is_control, is_in, without_type_arguments};
use super::words::{groups, last_word, leading_name, trailing_name};

/// The name of the function whose body begins behind `header`, and its offset.
pub(super) fn name(header: &[u8]) -> Option<Announced<'_>> {
    let header = header.trim_ascii_end();
    if let Some(before) = header.strip_suffix(b"=>") {
        return bound_name(before_parameters(before)?);
    }
    by_function(header).or_else(|| by_method(header))
}

/// `function name(..)`, `function* name(..)`, `name = function (..)`.
fn by_function(header: &[u8]) -> Option<Announced<'_>> {
    let at = last_word(header, b"function")?;
    let rest = header[at + b"function".len()..].trim_ascii_start();
    let rest = rest.strip_prefix(b"*").unwrap_or(rest);
    match leading_name(rest) {
        Some(name) => Some((at, name)),
        None => bound_name(&header[..at]),
    }
}

/// `name(..)` of a class or an object, with a return type or without.
fn by_method(header: &[u8]) -> Option<Announced<'_>> {
    let before = before_group(header)?;
    let (at, name) = trailing_name(without_type_arguments(before))?;
    let line = header[..at].rsplit(|&byte| byte == b'\n').next()?;
    let only_modifiers = line.split(u8::is_ascii_whitespace).all(is_modifier);
    (only_modifiers && !is_control(name)).then_some((at, name))
}

/// What stands before the parameters of an arrow: `(..)`, `(..): Type`, or a lone name.
fn before_parameters(header: &[u8]) -> Option<&[u8]> {
    before_group(header).or_else(|| trailing_name(header).map(|(at, _)| &header[..at]))
}

/// What stands before the `(..)` or `(..): Type` that `header` ends with.
fn before_group(header: &[u8]) -> Option<&[u8]> {
    let group = groups(header).pop()?;
    let behind = header[group.close + 1..].trim_ascii();
    let ends = behind.is_empty() || behind.starts_with(b":");
    ends.then(|| &header[..group.open])
}

/// The name that a function is bound to: `const name =`, `this.name =`, `name:`.
fn bound_name(before: &[u8]) -> Option<Announced<'_>> {
    let before = without_word(without_type_arguments(before), b"async");
    let left = before
        .strip_suffix(b"=")
        .or_else(|| before.strip_suffix(b":"))?;
    let line_at = left.iter().rposition(|&byte| byte == b'\n');
    let line_at = line_at.map_or(0, |at| at + 1);
    let declared = [&b"const"[..], b"let", b"var"]
        .into_iter()
        .find_map(|word| {
            let at = last_word(&left[line_at..], word)? + line_at + word.len();
            Some((at, leading_name(&left[at..])?))
        });
    declared.or_else(|| trailing_name(left))
}

fn without_word<'a>(text: &'a [u8], word: &[u8]) -> &'a [u8] {
    let text = text.trim_ascii_end();
    match trailing_name(text) {
        Some((at, name)) if name == word => text[..at].trim_ascii_end(),
        _ => text,
    }
}

fn is_modifier(word: &[u8]) -> bool {
    const MODIFIERS: [&str; 13] = [
        "async",
        "static",
        "public",
        "private",
        "protected",
        "readonly",
        "override",
        "abstract",
        "get",
        "set",
        "export",
        "default",
        "*",
    ];
    // A comma ends the element of an object before this one.
    word.is_empty() || word == b"," || word == b"#" || is_in(&MODIFIERS, word)
}
