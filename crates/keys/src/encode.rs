//! Percent-encoding of segments and paths: the one place that decides which characters may stand in a key.
//!
//! Only what has a meaning in a key is encoded (`:`, `{`, `}`, `%`), and what cannot be seen in a terminal (Unicode white
//! space and control characters); ordinary ids look as they were given. This is not URL encoding, and no normalisation:
//! two Unicode spellings of one word are two ids.

use std::borrow::Cow;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Whether a character never stands in a key as itself.
fn is_encoded(c: char) -> bool {
    matches!(c, ':' | '{' | '}' | '%') || c.is_whitespace() || c.is_control()
}

/// ASCII that always stands for itself. Most ids are made of nothing else, and a look into a table tells.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b':' | b'{' | b'}' | b'%');
        byte += 1;
    }
    plain
};

/// Appends one character of an id.
pub(crate) fn push(out: &mut String, c: char) {
    if !is_encoded(c) {
        out.push(c);
        return;
    }
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// Encodes the text of one segment.
pub(crate) fn segment(raw: &str) -> Cow<'_, str> {
    encode(raw, |_| false)
}

/// Encodes the text of a path, whose `:` are separators and stay.
pub(crate) fn path(raw: &str) -> Cow<'_, str> {
    encode(raw, |c| c == ':')
}

fn encode(raw: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let stays = |byte: u8| PLAIN[usize::from(byte)] || (byte.is_ascii() && keep(char::from(byte)));
    if raw.bytes().all(stays) {
        return Cow::Borrowed(raw);
    }
    let Some(start) = raw.find(|c| is_encoded(c) && !keep(c)) else {
        return Cow::Borrowed(raw);
    };
    let mut out = String::with_capacity(raw.len() + 8);
    out.push_str(&raw[..start]);
    for c in raw[start..].chars() {
        if keep(c) {
            out.push(c)
        } else {
            push(&mut out, c)
        }
    }
    Cow::Owned(out)
}

/// Decodes a segment or a path; `None` where an escape is malformed or the bytes are not UTF-8.
pub(crate) fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    if !encoded.contains('%') {
        return Some(Cow::Borrowed(encoded));
    }
    let mut out = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    HEX.iter()
        .position(|&hex| hex == byte)
        .and_then(|at| u8::try_from(at).ok())
}

/// Whether the text is what [`segment`] makes of some text.
pub(crate) fn is_segment(encoded: &str) -> bool {
    decode(encoded).is_some_and(|raw| segment(&raw) == encoded)
}

/// Whether the text is what [`path`] makes of some text.
pub(crate) fn is_path(encoded: &str) -> bool {
    decode(encoded).is_some_and(|raw| path(&raw) == encoded)
}
