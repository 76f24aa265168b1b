//! The conversions that every type of validated text has: raw text in, decoded text out.
//!
//! `Display` and `FromStr` are inverse; `Debug` shows the encoded form, which is safe in a terminal.

/// For a type with `new`, `decoded` and `as_encoded`.
macro_rules! text_conversions {
    ($name:ident) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&self.decoded())
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_tuple(stringify!($name))
                    .field(&self.as_encoded())
                    .finish()
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::KeyError;

            fn from_str(raw: &str) -> Result<Self, $crate::KeyError> {
                Self::new(raw)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::KeyError;

            fn try_from(raw: &str) -> Result<Self, $crate::KeyError> {
                Self::new(raw)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::KeyError;

            fn try_from(raw: String) -> Result<Self, $crate::KeyError> {
                Self::new(raw)
            }
        }
    };
}

pub(crate) use text_conversions;
