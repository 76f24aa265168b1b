//! The matcher against a reading of the server's algorithm that is written for clarity: recursive and slow.

use proptest::{
    collection::vec,
    prelude::{Strategy, prop_assert_eq, proptest},
    sample::select,
};

use crate::Pattern;

/// Whether the text matches, by trying everything.
fn reference(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|eaten| reference(rest, &text[eaten..])),
        _ => match text.split_first() {
            None => false,
            Some((&byte, text)) => {
                let (takes, used) = single(pattern, byte);
                takes && reference(&pattern[used..], text)
            }
        },
    }
}

/// Whether the first element of the pattern takes a byte, and how long that element is.
fn single(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern[0] {
        b'?' => (true, 1),
        b'\\' if pattern.len() > 1 => (pattern[1] == byte, 2),
        b'[' => class(pattern, byte),
        literal => (literal == byte, 1),
    }
}

fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let is_negated = pattern.get(1) == Some(&b'^');
    let mut at = if is_negated { 2 } else { 1 };
    let mut takes = false;
    while at < pattern.len() {
        let left = pattern.len() - at;
        if left >= 2 && pattern[at] == b'\\' {
            takes |= pattern[at + 1] == byte;
            at += 2;
        } else if pattern[at] == b']' {
            return (takes != is_negated, at + 1);
        } else if left >= 3 && pattern[at + 1] == b'-' {
            let (a, b) = (pattern[at] as i8, pattern[at + 2] as i8);
            takes |= (a.min(b)..=a.max(b)).contains(&(byte as i8));
            at += 3;
        } else {
            takes |= pattern[at] == byte;
            at += 1;
        }
    }
    (takes != is_negated, at)
}

fn bytes(alphabet: &'static [u8], max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(alphabet), 0..max)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(4000))]

    #[test]
    fn the_matcher_agrees_with_the_reference(
        pattern in bytes(br"ab[]^-\*?c", 10), text in bytes(br"abc]-\^[*", 7)
    ) {
        // The server's loop does not start on an empty text.
        let expected = if text.is_empty() { pattern.is_empty() } else { reference(&pattern, &text) };
        prop_assert_eq!(Pattern::rendered(pattern).matches(&text), expected);
    }

    #[test]
    fn the_matcher_agrees_on_bytes_that_are_no_text(
        pattern in bytes(b"\xff\x80\x7f[]-^*", 8), text in bytes(b"\xff\x80\x7f\xfe\x00", 5)
    ) {
        let expected = if text.is_empty() { pattern.is_empty() } else { reference(&pattern, &text) };
        prop_assert_eq!(Pattern::rendered(pattern).matches(&text), expected);
    }

    #[test]
    fn a_literal_matches_itself_only(text in bytes(br"ab[]^-\*?:", 10), other in bytes(br"ab[]^-\*?:", 10)) {
        if let Ok(pattern) = Pattern::builder().literal(&text).build() {
            prop_assert_eq!(pattern.matches(&other), text == other);
            prop_assert_eq!(pattern.matches(&text), true);
        }
    }
}

#[test]
fn corners_are_the_servers() {
    for (pattern, text, expected) in [
        ("[abc", "b", true),  // a class that is not closed ends with the pattern
        ("[^", "x", true),    // and an empty one that is negated takes anything
        ("[", "[", false),    // but an empty one nothing
        ("[c-a]", "b", true), // a reversed range
        ("[a-]", "^", true),  // `]` is the end of the range, which reaches down to it
        ("[\\]]", "]", true), // an escape inside a class
        ("[^]x", "ax", true), // an empty class, negated, takes anything
        ("[]", "x", false),   // an empty class takes nothing
        ("a\\", "a\\", true), // a trailing backslash is itself
        ("\\*", "*", true),   // an escaped star
        ("\\*", "x", false),
        ("**a", "a", true),
        ("A", "a", false),
        ("*", "", false),
        ("a*", "a", true),
        ("a?", "a", false),
    ] {
        let matches = Pattern::rendered(pattern.as_bytes()).matches(text.as_bytes());
        assert_eq!(matches, expected, "{pattern} on {text}");
    }
}

#[test]
fn many_stars_take_no_exponential_time() {
    let pattern = Pattern::rendered("a*".repeat(200) + "b");
    assert!(!pattern.matches("a".repeat(2000).as_bytes()));
}
