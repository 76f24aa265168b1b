//! Shapes: which parts the keys of a family have, checked while compiling.
//!
//! A shape carries no values; the module `family` fills it.

use crate::{KeyPath, Segment, words};

/// One part of a [`Shape`], behind the family's name.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Part, Shape};
///
/// // report:{owner}:monthly:{id}
/// const SHAPE: Shape = Shape::new("report", &[Part::Owner, Part::Literal("monthly"), Part::Id]);
/// assert_eq!(SHAPE.family(), "report");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A fixed word.
    Literal(&'static str),
    /// The owner's id, at most 256 encoded bytes: the hash tag of a sharded key.
    Owner,
    /// The owner's id, with a limit of its own.
    OwnerUpTo(usize),
    /// An id, at most 256 encoded bytes.
    Id,
    /// An id, with a limit of its own.
    IdUpTo(usize),
    /// A [`KeyPath`], at most 512 encoded bytes with at most 256 in a segment. Only at the end.
    Path,
}

impl Part {
    /// The longest text of this part, without a separator.
    pub(crate) const fn max_bytes(self) -> usize {
        match self {
            Self::Literal(word) => word.len(),
            Self::Owner | Self::Id => Segment::MAX_BYTES,
            Self::OwnerUpTo(max) | Self::IdUpTo(max) => max,
            Self::Path => KeyPath::MAX_BYTES,
        }
    }

    pub(crate) const fn is_owner(self) -> bool {
        matches!(self, Self::Owner | Self::OwnerUpTo(_))
    }

    pub(crate) const fn is_path(self) -> bool {
        matches!(self, Self::Path)
    }
}

/// The form of the keys of a family: its name, then [`Part`]s, joined by `:`.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Part, Shape};
///
/// const SHAPE: Shape = Shape::new("report", &[Part::Owner, Part::Path]);
/// assert_eq!(SHAPE.parts().len(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    family: &'static str,
    parts: &'static [Part],
}

/// The longest key without its namespace and the `:` behind that.
const MAX_BYTES: usize = crate::Key::MAX_BYTES - crate::Namespace::MAX_BYTES - 1;

impl Shape {
    /// Checks a shape. Call it in a constant, so that its panics are errors of compilation.
    ///
    /// # Panics
    ///
    /// - if the family's name is `ck` or that of a built-in family, or a word is not made of ASCII letters, digits, `_`,
    ///   `-` and `.`, 1 to 64 of them;
    /// - if there are no parts, more than one owner, a path that is not last, or a limit of 0 or above 256;
    /// - if the longest key, with the longest namespace, has more than 1 024 bytes: give ids shorter limits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Part, Shape};
    /// const SHAPE: Shape = Shape::new("report", &[Part::Id, Part::Id]);
    /// ```
    ///
    /// ```compile_fail
    /// # use cachekit_keys::{Part, Shape};
    /// const TAKEN: Shape = Shape::new("session", &[Part::Id]);
    /// ```
    #[must_use]
    pub const fn new(family: &'static str, parts: &'static [Part]) -> Self {
        assert!(
            !words::is_taken(family),
            "the family's name is taken by the kit"
        );
        Self::built_in(family, parts)
    }

    pub(crate) const fn built_in(family: &'static str, parts: &'static [Part]) -> Self {
        check_word(family);
        check_parts(parts);
        let shape = Self { family, parts };
        assert!(
            shape.max_bytes() <= MAX_BYTES,
            "the longest key has more than 1024 bytes"
        );
        shape
    }

    /// A key that is a path whose first word belongs to no family of the kit.
    pub(crate) const fn free() -> Self {
        Self {
            family: "",
            parts: &[Part::Path],
        }
    }

    pub(crate) const fn is_free(&self) -> bool {
        self.family.is_empty()
    }

    /// The family's name: the first word of its keys, behind the namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Part, Shape};
    /// assert_eq!(Shape::new("report", &[Part::Id]).family(), "report");
    /// ```
    #[must_use]
    pub const fn family(&self) -> &'static str {
        self.family
    }

    /// The parts behind the family's name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Part, Shape};
    /// assert_eq!(Shape::new("report", &[Part::Id]).parts(), [Part::Id]);
    /// ```
    #[must_use]
    pub const fn parts(&self) -> &'static [Part] {
        self.parts
    }

    const fn max_bytes(&self) -> usize {
        let mut bytes = self.family.len();
        let mut i = 0;
        while i < self.parts.len() {
            let braces = if self.parts[i].is_owner() { 2 } else { 0 };
            bytes += 1 + self.parts[i].max_bytes() + braces;
            i += 1;
        }
        bytes
    }

    /// How long a key is, behind its namespace, whose ids have so many bytes together.
    pub(crate) fn len_with(&self, ids: usize, is_sharded: bool) -> usize {
        let fixed = |part: &Part| match part {
            Part::Literal(word) => word.len(),
            part if part.is_owner() && is_sharded => 2,
            _ => 0,
        };
        let fixed: usize = self.parts.iter().map(|part| 1 + fixed(part)).sum();
        self.family.len() + fixed + ids
    }

    /// Panics where one key could be of two shapes of a family.
    pub(crate) const fn check_family(shapes: &[Self]) {
        assert!(
            !shapes.is_empty(),
            "a family of keys has at least one shape"
        );
        let mut i = 0;
        while i < shapes.len() {
            let mut j = i + 1;
            while j < shapes.len() {
                assert!(
                    shapes[i].excludes(&shapes[j]),
                    "a key could be of two shapes of its family"
                );
                j += 1;
            }
            i += 1;
        }
    }

    /// Whether no key has both shapes: a fixed word differs, or the number of segments does.
    const fn excludes(&self, other: &Self) -> bool {
        // A free key's first word is checked against all families when it is made and when it is parsed.
        if self.is_free() != other.is_free() || !words::same(self.family, other.family) {
            return true;
        }
        let mut i = 0;
        while i < self.parts.len() && i < other.parts.len() {
            if let (Part::Literal(a), Part::Literal(b)) = (self.parts[i], other.parts[i])
                && !words::same(a, b)
            {
                return true;
            }
            i += 1;
        }
        // A path takes its own place and any number of further segments.
        let (mine, theirs) = (self.parts.len(), other.parts.len());
        (mine < theirs && !self.ends_in_path()) || (theirs < mine && !other.ends_in_path())
    }

    const fn ends_in_path(&self) -> bool {
        self.parts[self.parts.len() - 1].is_path()
    }
}

const fn check_word(word: &str) {
    let bytes = word.as_bytes();
    assert!(
        !bytes.is_empty() && bytes.len() <= 64,
        "a word has 1 to 64 bytes"
    );
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'_' | b'-' | b'.'),
            "a word is made of ASCII letters, digits, `_`, `-` and `.`"
        );
        i += 1;
    }
}

const fn check_parts(parts: &[Part]) {
    assert!(
        !parts.is_empty(),
        "a shape has at least one part behind the family's name"
    );
    let (mut i, mut owners) = (0, 0);
    while i < parts.len() {
        match parts[i] {
            Part::Literal(word) => check_word(word),
            Part::OwnerUpTo(max) | Part::IdUpTo(max) => {
                assert!(
                    max >= 1 && max <= Segment::MAX_BYTES,
                    "an id has 1 to 256 bytes"
                );
            }
            Part::Path => assert!(i + 1 == parts.len(), "a path is the last part"),
            Part::Owner | Part::Id => {}
        }
        if parts[i].is_owner() {
            owners += 1;
        }
        i += 1;
    }
    assert!(owners <= 1, "a key has at most one owner");
}
