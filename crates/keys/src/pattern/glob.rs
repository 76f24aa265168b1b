//! The glob of Redis: compiled once, matched without recursion.
//!
//! Redis walks pattern and text together, and stops an exponential search by a flag. Nothing in its reading of the pattern
//! depends on the text, so the pattern can be taken apart beforehand, and one remembered `*` is enough to go back to.

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `*`, or several.
    Any,
    /// `?`.
    One,
    /// A byte that stands for itself.
    Byte(u8),
    /// `[...]`.
    Class(ByteSet),
}

impl Token {
    pub(super) fn is_literal(&self) -> bool {
        matches!(self, Self::Byte(_))
    }

    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Byte(literal) => *literal == byte,
            Self::Class(set) => set.contains(byte),
        }
    }
}

/// A set of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// A range between two ends in either order. The server compares C's `char`, which is signed on x86-64.
    fn insert_range(&mut self, a: u8, b: u8) {
        let (a, b) = (a.cast_signed(), b.cast_signed());
        for byte in a.min(b)..=a.max(b) {
            self.insert(byte.cast_unsigned());
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

/// Takes a pattern apart.
pub(super) fn compile(mut pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    while let [first, rest @ ..] = pattern {
        pattern = match (first, rest) {
            (b'*', _) => {
                if tokens.last() != Some(&Token::Any) {
                    tokens.push(Token::Any);
                }
                rest
            }
            (b'?', _) => {
                tokens.push(Token::One);
                rest
            }
            (b'[', _) => {
                let (set, rest) = class(rest);
                tokens.push(Token::Class(set));
                rest
            }
            (b'\\', [escaped, rest @ ..]) => {
                tokens.push(Token::Byte(*escaped));
                rest
            }
            _ => {
                tokens.push(Token::Byte(*first));
                rest
            }
        };
    }
    tokens
}

/// Reads a class behind its `[`. The order of the arms is the server's: an escape before the end, the end before a range.
fn class(pattern: &[u8]) -> (ByteSet, &[u8]) {
    let (is_negated, mut pattern) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut set = ByteSet::default();
    let rest = loop {
        pattern = match pattern {
            [b'\\', escaped, rest @ ..] => {
                set.insert(*escaped);
                rest
            }
            [b']', rest @ ..] => break rest,
            [start, b'-', end, rest @ ..] => {
                set.insert_range(*start, *end);
                rest
            }
            [byte, rest @ ..] => {
                set.insert(*byte);
                rest
            }
            // Not closed: the class ends with the pattern.
            [] => break pattern,
        };
    };
    (if is_negated { set.complement() } else { set }, rest)
}

/// Whether the pattern takes the whole text.
pub(super) fn matches(tokens: &[Token], text: &[u8]) -> bool {
    if text.is_empty() {
        // The server's loop does not start on an empty text, so that not even `*` matches it.
        return tokens.is_empty();
    }
    let (mut token, mut at) = (0, 0);
    // Where the last `*` stands, and up to where it has eaten: an earlier one never needs to eat more.
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Any) => {
                back = Some((token, at));
                token += 1;
            }
            Some(other) if other.takes(text[at]) => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((star, eaten)) = back else {
                    return false;
                };
                back = Some((star, eaten + 1));
                token = star + 1;
                at = eaten + 1;
            }
        }
    }
    tokens[token..].iter().all(|rest| *rest == Token::Any)
}
