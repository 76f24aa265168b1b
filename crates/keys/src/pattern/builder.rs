//! Patterns put together from parts, with every literal escaped.

use std::mem;

use super::{Pattern, WHAT};
use crate::{KeyError, error::check_length};

/// Puts a [`Pattern`] together. Text given to it is literal: it is escaped, and matches only itself.
///
/// It knows no families, formats or namespaces; for those, ask the schema for a pattern.
///
/// # Examples
///
/// ```
/// use cachekit_keys::Pattern;
///
/// let pattern = Pattern::builder().literal("a[1]").any_char().literal(":").any().build()?;
/// assert_eq!(pattern.as_bytes(), br"a\[1\]?:*");
/// assert!(pattern.matches(b"a[1]x:yz"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PatternBuilder {
    out: Vec<u8>,
}

impl PatternBuilder {
    /// Starts an empty pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::PatternBuilder;
    /// assert!(PatternBuilder::new().build().is_err());
    /// ```
    pub const fn new() -> Self {
        Self { out: Vec::new() }
    }

    /// Adds text that matches only itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::PatternBuilder;
    /// let pattern = PatternBuilder::new().literal(r"50%*\").build()?;
    /// assert!(pattern.matches(br"50%*\"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn literal(mut self, text: impl AsRef<[u8]>) -> Self {
        for &byte in text.as_ref() {
            push_escaped(&mut self.out, byte);
        }
        self
    }

    /// Adds `*`: any number of bytes, `:` included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::PatternBuilder;
    /// assert!(PatternBuilder::new().literal("a").any().build()?.matches(b"a:b:c"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn any(mut self) -> Self {
        self.out.push(b'*');
        self
    }

    /// Adds `?`: one byte, which is not always one character.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::PatternBuilder;
    /// let pattern = PatternBuilder::new().literal("a").any_char().build()?;
    /// assert!(pattern.matches(b"ab") && !pattern.matches("aé".as_bytes()));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn any_char(mut self) -> Self {
        self.out.push(b'?');
        self
    }

    /// Ends the pattern.
    ///
    /// # Errors
    ///
    /// As for [`Pattern::raw`]: a pattern has at least one literal byte.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::PatternBuilder;
    /// assert!(PatternBuilder::new().any().build().is_err());
    /// assert!(PatternBuilder::new().literal("a").build().is_ok());
    /// ```
    pub fn build(mut self) -> Result<Pattern, KeyError> {
        check_length(WHAT, self.out.len(), Pattern::MAX_BYTES)?;
        Pattern::raw(mem::take(&mut self.out))
    }
}

/// Adds a byte that stands for itself. `^` and `-` mean something only inside a class, which a literal never opens.
pub(super) fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
        out.push(b'\\');
    }
    out.push(byte);
}

/// Escapes a text that is encoded already.
pub(crate) fn push_literal(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        push_escaped(out, byte);
    }
}
