//! The words that cannot start a user's key, family or namespace, in one place.
//!
//! It holds no rendering: what follows such a word is the business of its family.

/// The first word of every key that the kit writes for itself.
pub(crate) const RESERVED: &str = "ck";

/// The first words of the built-in families.
pub(crate) const FAMILIES: [&str; 7] = [
    "session",
    "project",
    "model",
    "provider",
    "ratelimit",
    "quota",
    "cost",
];

/// The first words of the built-in channels.
pub(crate) const CHANNELS: [&str; 3] = ["events", "notifications", "system"];

/// Whether a family of the kit has this name, or the kit reserves it.
pub(crate) const fn is_taken(word: &str) -> bool {
    same(word, RESERVED) || contains(&FAMILIES, word)
}

/// Whether two texts are equal, in const evaluation.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn contains(words: &[&str], word: &str) -> bool {
    let mut i = 0;
    while i < words.len() {
        if same(words[i], word) {
            return true;
        }
        i += 1;
    }
    false
}
