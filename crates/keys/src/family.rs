//! Families: types whose values are keys, the kit's and the user's alike.
//!
//! A family says what its fields are; the writer and the reader here put them into a shape and take them out, and nothing
//! else ever joins or splits a key.

use std::{ops::Range, vec};

use crate::{KeyError, KeyField, KeyPath, Level, Part, Shape, field::Token, words};

/// A type whose values are keys: a built-in family, or one of your own.
///
/// A family declares its [`Shape`]s, writes its fields in their order, and reads them back in the same order. In return, for
/// every value and every schema, the key fits, no id reaches another family's or owner's keys, and parsing inverts rendering.
///
/// What the compiler cannot see is that two types declare the same name: one family is one type.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{
///     FieldReader, FieldWriter, KeyError, KeyFamily, KeySchema, Level, Part, Segment, Shape, UserId,
/// };
///
/// /// `report:{user}:{name}`, and `report:{user}:{name}:page:{number}`.
/// #[derive(Clone, Debug, PartialEq)]
/// enum ReportKey {
///     Summary { user: UserId, name: Segment },
///     Page { user: UserId, name: Segment, number: u64 },
/// }
///
/// impl KeyFamily for ReportKey {
///     const LEVEL: Level = Level::Global;
///     const SHAPES: &'static [Shape] = &[
///         Shape::new("report", &[Part::Owner, Part::Id]),
///         Shape::new("report", &[Part::Owner, Part::Id, Part::Literal("page"), Part::IdUpTo(20)]),
///     ];
///
///     fn shape(&self) -> usize {
///         match self {
///             Self::Summary { .. } => 0,
///             Self::Page { .. } => 1,
///         }
///     }
///
///     fn write(&self, fields: &mut FieldWriter<'_>) {
///         match self {
///             Self::Summary { user, name } => fields.owner(user).id(name),
///             Self::Page { user, name, number } => fields.owner(user).id(name).id(number),
///         };
///     }
///
///     fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
///         let (user, name) = (fields.owner()?, fields.id()?);
///         Ok(match shape {
///             0 => Self::Summary { user, name },
///             _ => Self::Page { user, name, number: fields.id()? },
///         })
///     }
/// }
///
/// let page = ReportKey::Page { user: UserId::new("u:1")?, name: Segment::new("sales")?, number: 3 };
/// let schema = KeySchema::sharded();
/// let key = schema.key(&page);
/// assert_eq!(key.as_str(), Some("report:{u%3A1}:sales:page:3"));
/// assert_eq!(schema.parse::<ReportKey>(&key)?, page);
/// # Ok::<(), KeyError>(())
/// ```
pub trait KeyFamily: Sized {
    /// The forms of the family's keys. No key may have two of them: they differ in a fixed word or in length. That, and each
    /// shape, is checked while compiling.
    const SHAPES: &'static [Shape];

    /// The level of the cache, which gives entries their default lifetime.
    const LEVEL: Level;

    /// Which of [`SHAPES`](Self::SHAPES) this key has.
    fn shape(&self) -> usize;

    /// Writes the fields of the shape in order. Fixed words are not fields.
    fn write(&self, fields: &mut FieldWriter<'_>);

    /// Reads the fields of a key of this shape, in the same order.
    ///
    /// # Errors
    ///
    /// Those of the reader, passed on.
    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError>;

    /// The family's name, such as `project`: the first word of its keys, and `global` for
    /// [keys of free text](crate::GlobalKey). Statistics are kept by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::{GlobalKey, KeyFamily, ProjectKey};
    ///
    /// assert_eq!((ProjectKey::name(), GlobalKey::name()), ("project", "global"));
    /// ```
    #[must_use]
    fn name() -> &'static str {
        name(Self::SHAPES)
    }
}

/// The name of the family with these shapes.
pub(crate) fn name(shapes: &[Shape]) -> &'static str {
    match shapes.first().map(Shape::family) {
        None | Some("") => "global",
        Some(name) => name,
    }
}

/// Takes the fields of a key from [`KeyFamily::write`].
///
/// # Panics
///
/// Its methods panic where the call does not follow the shape: another kind of field is due, or a field's type can be longer
/// than its part allows. That depends on the code of the family and on no value, so that any one test of it tells.
///
/// # Examples
///
/// See [`KeyFamily`].
#[derive(Debug)]
pub struct FieldWriter<'a> {
    out: &'a mut String,
    family: &'static str,
    parts: &'static [Part],
    is_sharded: bool,
    is_first: bool,
    owner: Option<Range<usize>>,
}

impl<'a> FieldWriter<'a> {
    /// Starts behind the namespace.
    #[inline]
    pub(crate) fn new(out: &'a mut String, shape: &Shape, is_sharded: bool) -> Self {
        out.push_str(shape.family());
        Self {
            out,
            family: shape.family(),
            parts: shape.parts(),
            is_sharded,
            is_first: shape.is_free(),
            owner: None,
        }
    }

    /// Writes the owner.
    ///
    /// # Panics
    ///
    /// If the next field of the shape is not an owner, or shorter than this type may be.
    ///
    /// # Examples
    ///
    /// See [`KeyFamily`].
    #[inline]
    pub fn owner<F: KeyField>(&mut self, owner: &F) -> &mut Self {
        let part = self.next(Part::is_owner, "an owner");
        self.check_limit(part, F::MAX_BYTES);
        let start = self.out.len();
        if self.is_sharded {
            self.out.push('{');
        }
        self.out.push_str(&owner.encoded(Token));
        if self.is_sharded {
            self.out.push('}');
        }
        self.owner = Some(start..self.out.len());
        self
    }

    /// Writes an id.
    ///
    /// # Panics
    ///
    /// If the next field of the shape is not an id, or shorter than this type may be.
    ///
    /// # Examples
    ///
    /// See [`KeyFamily`].
    #[inline]
    pub fn id<F: KeyField>(&mut self, id: &F) -> &mut Self {
        let part = self.next(|part| matches!(part, Part::Id | Part::IdUpTo(_)), "an id");
        self.check_limit(part, F::MAX_BYTES);
        self.out.push_str(&id.encoded(Token));
        self
    }

    /// Writes the path.
    ///
    /// # Panics
    ///
    /// If the next field of the shape is not a path.
    ///
    /// # Examples
    ///
    /// See [`KeyFamily`].
    pub fn path(&mut self, path: &KeyPath) -> &mut Self {
        self.next(Part::is_path, "a path");
        self.out.push_str(path.as_encoded());
        self
    }

    /// Ends the key.
    #[inline]
    pub(crate) fn finish(mut self) -> Option<Range<usize>> {
        self.literals();
        assert!(
            self.parts.is_empty(),
            "the key family `{}` writes too few fields",
            self.family
        );
        self.owner
    }

    /// Writes what stands before the next field and checks its kind.
    #[inline]
    fn next(&mut self, is_kind: impl Fn(Part) -> bool, kind: &str) -> Part {
        self.literals();
        let due = self.parts.split_first().filter(|(part, _)| is_kind(**part));
        let Some((part, rest)) = due else {
            panic!(
                "the key family `{}` writes {kind} where its shape has none",
                self.family
            )
        };
        self.parts = rest;
        self.separate();
        *part
    }

    #[inline]
    fn literals(&mut self) {
        while let [Part::Literal(word), rest @ ..] = self.parts {
            self.parts = rest;
            self.separate();
            self.out.push_str(word);
        }
    }

    #[inline]
    fn separate(&mut self) {
        if !self.is_first {
            self.out.push(':');
        }
        self.is_first = false;
    }

    #[inline]
    fn check_limit(&self, part: Part, max: usize) {
        assert!(
            max <= part.max_bytes(),
            "a field of the key family `{}` may have {max} bytes where its shape has room for {}",
            self.family,
            part.max_bytes()
        );
    }
}

/// Gives the fields of a key to [`KeyFamily::read`].
///
/// # Examples
///
/// See [`KeyFamily`].
#[derive(Debug)]
pub struct FieldReader<'a> {
    family: &'static str,
    fields: vec::IntoIter<(Part, &'a str)>,
}

impl<'a> FieldReader<'a> {
    /// Takes apart a key without its namespace; `None` if it does not have this shape.
    pub(crate) fn split(shape: &Shape, text: &'a str, is_sharded: bool) -> Option<Self> {
        let mut rest = Some(text);
        if shape.is_free() {
            let word = text.split(':').next()?;
            if words::is_taken(word) {
                return None;
            }
        } else if take(&mut rest)? != shape.family() {
            return None;
        }
        let mut fields = Vec::with_capacity(shape.parts().len());
        for &part in shape.parts() {
            match part {
                Part::Literal(word) if take(&mut rest)? != word => return None,
                Part::Literal(_) => {}
                Part::Path => fields.push((part, rest.take()?)),
                Part::Owner | Part::OwnerUpTo(_) if is_sharded => {
                    let owner = take(&mut rest)?.strip_prefix('{')?.strip_suffix('}')?;
                    fields.push((part, owner));
                }
                _ => fields.push((part, take(&mut rest)?)),
            }
        }
        let family = shape.family();
        rest.is_none().then(|| Self {
            family,
            fields: fields.into_iter(),
        })
    }

    /// Reads the owner.
    ///
    /// # Errors
    ///
    /// [`KeyError`] for text that is not a value of the type, and [`KeyError::FieldMismatch`] if the next field of the shape
    /// is not an owner.
    ///
    /// # Examples
    ///
    /// See [`KeyFamily`].
    pub fn owner<F: KeyField>(&mut self) -> Result<F, KeyError> {
        F::parse(self.next(Part::is_owner)?, Token)
    }

    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`KeyError`] for text that is not a value of the type, and [`KeyError::FieldMismatch`] if the next field of the shape
    /// is not an id.
    ///
    /// # Examples
    ///
    /// See [`KeyFamily`].
    pub fn id<F: KeyField>(&mut self) -> Result<F, KeyError> {
        F::parse(
            self.next(|part| matches!(part, Part::Id | Part::IdUpTo(_)))?,
            Token,
        )
    }

    /// Reads the path.
    ///
    /// # Errors
    ///
    /// [`KeyError`] for text that is not a path, and [`KeyError::FieldMismatch`] if the next field of the shape is none.
    ///
    /// # Examples
    ///
    /// See [`KeyFamily`].
    pub fn path(&mut self) -> Result<KeyPath, KeyError> {
        KeyPath::from_encoded(self.next(Part::is_path)?)
    }

    /// Ends reading: every field was read.
    pub(crate) fn finish(mut self) -> Result<(), KeyError> {
        match self.fields.next() {
            None => Ok(()),
            Some(_) => Err(KeyError::FieldMismatch {
                family: self.family,
            }),
        }
    }

    fn next(&mut self, is_kind: impl Fn(Part) -> bool) -> Result<&'a str, KeyError> {
        match self.fields.next() {
            Some((part, text)) if is_kind(part) => Ok(text),
            _ => Err(KeyError::FieldMismatch {
                family: self.family,
            }),
        }
    }
}

/// Takes the next segment of what is left.
fn take<'a>(rest: &mut Option<&'a str>) -> Option<&'a str> {
    let text = rest.take()?;
    match text.split_once(':') {
        None => Some(text),
        Some((segment, behind)) => {
            *rest = Some(behind);
            Some(segment)
        }
    }
}
