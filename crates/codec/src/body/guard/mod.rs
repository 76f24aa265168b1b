//! A deserializer around that of a binary codec that bounds what hostile bytes can cost.
//!
//! bincode itself allocates what a string's length prefix says before it looks whether that many
//! bytes are there, recurses without a limit, and walks a sequence of zero-sized elements as often
//! as the prefix says. rmp-serde counts the depth of arrays and maps but not of enums and `Some`.
//! Here strings and byte buffers are borrowed from the body first (so their length is checked
//! against what is there), nesting is bounded, and the elements of all sequences and maps together
//! are bounded by the body's length. JSON needs none of this: `serde_json` bounds its depth, and
//! nothing in a text declares a length.

mod access;
mod deserializer;
mod visitor;

use std::cell::Cell;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error};

/// Nested `Some`, sequences, maps, structs and enums. Twice JSON's limit, as JSON does not count
/// `Some`.
const MAX_DEPTH: u16 = 256;
/// Elements that may take no bytes at all (`Vec<()>`), in a body of any size.
const FREE_ELEMENTS: usize = 64 * 1024;

/// What is left to spend on one body.
#[derive(Debug)]
pub(super) struct Limits {
    elements: Cell<usize>,
}

impl Limits {
    pub(super) fn for_body(body: &[u8]) -> Self {
        Self {
            elements: Cell::new(body.len().saturating_add(FREE_ELEMENTS)),
        }
    }

    fn spend_element<E: Error>(&self) -> Result<(), E> {
        let left = self
            .elements
            .get()
            .checked_sub(1)
            .ok_or_else(|| E::custom("too many elements"))?;
        self.elements.set(left);
        Ok(())
    }

    /// A declared length as a hint for allocating: never more than what can still be read.
    fn cap(&self, hint: Option<usize>) -> Option<usize> {
        hint.map(|hint| hint.min(self.elements.get()))
    }
}

/// Reads a `T` through the guard.
pub(super) struct GuardSeed<'l, T> {
    limits: &'l Limits,
    value: PhantomData<T>,
}

impl<'l, T> GuardSeed<'l, T> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            value: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for GuardSeed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(Guard {
            inner: deserializer,
            limits: self.limits,
            depth: 0,
            counted: false,
        })
    }
}

/// Wraps a deserializer, visitor, seed or access; whatever it hands on is wrapped again.
struct Guard<'l, I> {
    inner: I,
    limits: &'l Limits,
    depth: u16,
    /// Whether the elements of the sequence count: its length is declared by the body, unlike a
    /// tuple's.
    counted: bool,
}

impl<'l, I> Guard<'l, I> {
    fn wrap<J>(&self, inner: J) -> Guard<'l, J> {
        Guard {
            inner,
            limits: self.limits,
            depth: self.depth,
            counted: false,
        }
    }

    fn wrap_counted<J>(&self, inner: J) -> Guard<'l, J> {
        Guard {
            counted: true,
            ..self.wrap(inner)
        }
    }

    /// Splits into the wrapped thing and what wraps the next level.
    fn descend<E: Error, J>(self, inner: J) -> Result<(I, Guard<'l, J>), E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested too deep"));
        }
        let Self {
            inner: outer,
            limits,
            depth,
            counted,
        } = self;
        Ok((
            outer,
            Guard {
                inner,
                limits,
                depth: depth + 1,
                counted,
            },
        ))
    }
}
