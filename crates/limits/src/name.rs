//! The name of a limit, as every decision carries it.

use std::{fmt, ops::Deref, sync::Arc};

const SHORT: usize = 22;

/// Short text is copied, so that threads that decide at the same time do not meet at the counter of a shared one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Short { length: u8, text: [u8; SHORT] },
    Long(Arc<str>),
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let mut text = [0; SHORT];
        match (text.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name.as_bytes());
                Self::Short { length, text }
            }
            _ => Self::Long(name.into()),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Short { length, text } => {
                std::str::from_utf8(&text[..usize::from(*length)]).expect("it was a string's")
            }
            Self::Long(text) => text,
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, SHORT};

    #[test]
    fn names_of_every_length_stay_as_they_are() {
        for length in 0..2 * SHORT {
            let text = "ü".repeat(length);
            assert_eq!(&*Name::from(&*text), text);
            assert_eq!(format!("{:?}", Name::from(&*text)), format!("{text:?}"));
        }
    }
}
