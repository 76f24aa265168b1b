//! Content hashes: the name of a piece of content in a key.
//!
//! SHA-256 in full. A short prefix of a hash would look nicer in a key, but 32 bits collide at some 65 000 entries, and a
//! collision serves the analysis of another program's code.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use crate::{KeyError, error::excerpt};

const HEX_BYTES: usize = 64;
const TEXT_PREFIX: &str = "text-";

/// The SHA-256 of some content, and what was taken as the content: its exact bytes, or its normalised text.
///
/// Exact hashes render as 64 lower-case hex digits, hashes of normalised text as `text-` and 64 digits, so that the two never
/// stand for one another in a key. `Display` and [`FromStr`] are inverse; only full, lower-case hashes parse.
///
/// # Examples
///
/// ```
/// use cachekit_keys::ContentHash;
///
/// let exact = ContentHash::of("fn main() {}\n");
/// assert_eq!(exact.to_string().parse::<ContentHash>()?, exact);
/// assert_ne!(exact, ContentHash::of("fn main() {}\r\n"));
/// assert_eq!(ContentHash::of_text("fn main() {}\n"), ContentHash::of_text("fn main() {}  \r\n"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash {
    normalised: bool,
    digest: [u8; 32],
}

impl ContentHash {
    /// The longest rendering, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::ContentHash::MAX_BYTES, 69);
    /// ```
    pub const MAX_BYTES: usize = TEXT_PREFIX.len() + HEX_BYTES;

    /// The hash of exact bytes: the default choice.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ContentHash;
    /// assert_eq!(
    ///     ContentHash::of("abc").to_string(),
    ///     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    /// );
    /// ```
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::exact(Sha256::digest(bytes.as_ref()).into())
    }

    /// The hash of a text, without what editors and version control change unasked: line ends (`\r\n` and `\r` count as
    /// `\n`), white space at the end of lines, and empty lines at the end of the text.
    ///
    /// White space at the start of a line, and between words, counts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ContentHash;
    /// assert_eq!(ContentHash::of_text("a \r\nb"), ContentHash::of_text("a\nb\n\n"));
    /// assert_ne!(ContentHash::of_text("a\n b"), ContentHash::of_text("a\nb"));
    /// assert!(ContentHash::of_text("a").to_string().starts_with("text-"));
    /// ```
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut hasher = Sha256::new();
        // Empty lines are held back until a line follows, so that those at the end do not count.
        let mut empty = 0_u64;
        for line in text
            .split('\n')
            .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
        {
            let line = line.trim_end();
            if line.is_empty() {
                empty += 1;
                continue;
            }
            for _ in 0..empty {
                hasher.update(b"\n");
            }
            empty = 0;
            hasher.update(line);
            hasher.update(b"\n");
        }
        Self {
            normalised: true,
            digest: hasher.finalize().into(),
        }
    }

    /// The hash of several parts, each preceded by its length, so that moving a byte from one part to the next changes it.
    ///
    /// It differs from [`ContentHash::of`] of the parts joined, also for a single part.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ContentHash;
    /// let hash = ContentHash::of_parts(&[b"gpt-4", b"the prompt"]);
    /// assert_ne!(hash, ContentHash::of_parts(&[b"gpt-4t", b"he prompt"]));
    /// ```
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            // Eight bytes on every platform: `usize` has no fixed width, and hashes are shared between machines.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self::exact(hasher.finalize().into())
    }

    /// A hash computed elsewhere, of exact bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ContentHash;
    /// let hash = ContentHash::of("abc");
    /// assert_eq!(ContentHash::from_digest(*hash.digest()), hash);
    /// ```
    #[must_use]
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self::exact(digest)
    }

    /// The 32 bytes of the hash.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ContentHash;
    /// assert_eq!(ContentHash::of("abc").digest()[0], 0xba);
    /// ```
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether this is the hash of a normalised text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::ContentHash;
    /// assert!(ContentHash::of_text("abc").is_normalised());
    /// assert!(!ContentHash::of("abc").is_normalised());
    /// ```
    #[must_use]
    pub const fn is_normalised(&self) -> bool {
        self.normalised
    }

    const fn exact(digest: [u8; 32]) -> Self {
        Self {
            normalised: false,
            digest,
        }
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.normalised {
            f.write_str(TEXT_PREFIX)?;
        }
        self.digest
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl FromStr for ContentHash {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (normalised, hex) = match text.strip_prefix(TEXT_PREFIX) {
            Some(hex) => (true, hex),
            None => (false, text),
        };
        digest(hex)
            .map(|digest| Self { normalised, digest })
            .ok_or_else(|| KeyError::Malformed {
                what: "content hash",
                text: excerpt(text),
            })
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != HEX_BYTES {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
