//! How one write differs from the handle's defaults.

use cachekit_keys::{Jitter, Ttl};
use cachekit_store::{Condition, SetOptions};

/// Options of one write, for the methods that end in `_with`. What is not set follows the handle.
///
/// There is no "never expires": every key of a cache has a lifetime.
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::WriteOptions;
/// use cachekit_store::Condition;
///
/// let options = WriteOptions::new().with_ttl(Ttl::seconds(30)).with_condition(Condition::IfAbsent);
/// assert_eq!(options.ttl, Some(Ttl::seconds(30)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// The lifetime, in place of the handle's.
    pub ttl: Option<Ttl>,
    /// How much of the lifetime may be taken away at random, in place of the handle's.
    pub jitter: Option<Jitter>,
    /// When the write takes place at all; by default in any case.
    pub condition: Condition,
}

impl WriteOptions {
    /// Everything as the handle has it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// assert_eq!(WriteOptions::new().ttl, None);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: None,
            jitter: None,
            condition: Condition::Always,
        }
    }

    /// Sets the lifetime of what is written.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// # use cachekit_keys::Ttl;
    /// assert_eq!(WriteOptions::new().with_ttl(Ttl::seconds(5)).ttl, Some(Ttl::seconds(5)));
    /// ```
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets how much of the lifetime may be taken away at random, so that entries written together do not expire together.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// # use cachekit_keys::Jitter;
    /// let options = WriteOptions::new().with_jitter(Jitter::fraction(0.1)?);
    /// assert_ne!(options.jitter, Some(Jitter::NONE));
    /// # Ok::<(), cachekit_keys::TtlError>(())
    /// ```
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets when the write takes place at all.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// use cachekit_store::Condition;
    ///
    /// let options = WriteOptions::new().with_condition(Condition::IfPresent);
    /// assert_eq!(options.condition, Condition::IfPresent);
    /// ```
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }
}

/// How long a handle's entries live unless a write says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) ttl: Ttl,
    pub(crate) jitter: Jitter,
}

impl Lifetime {
    /// The store's options for one write. Each call draws anew, so that a batch spreads too.
    pub(crate) fn resolve(&self, options: &WriteOptions) -> SetOptions {
        let ttl = options.ttl.unwrap_or(self.ttl);
        let jitter = options.jitter.unwrap_or(self.jitter);
        let ttl = if jitter == Jitter::NONE {
            ttl
        } else {
            ttl.jittered(jitter, fastrand::u64(..))
        };
        SetOptions::ttl(ttl).with_condition(options.condition)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifetime, WriteOptions};
    use cachekit_keys::{Jitter, Ttl};
    use cachekit_store::{Condition, Expiration, SetOptions};

    const LIFETIME: Lifetime = Lifetime {
        ttl: Ttl::seconds(100),
        jitter: Jitter::NONE,
    };

    #[test]
    fn what_a_write_does_not_say_follows_the_handle() {
        let options = LIFETIME.resolve(&WriteOptions::new());
        assert_eq!(options, SetOptions::ttl(Ttl::seconds(100)));
        let options = LIFETIME.resolve(
            &WriteOptions::new()
                .with_ttl(Ttl::seconds(7))
                .with_condition(Condition::IfAbsent),
        );
        assert_eq!(
            options,
            SetOptions::ttl(Ttl::seconds(7)).with_condition(Condition::IfAbsent)
        );
    }

    #[test]
    fn jitter_shortens_by_no_more_than_its_fraction_and_spreads() {
        let options = WriteOptions::new().with_jitter(Jitter::fraction(0.2).unwrap());
        let millis: Vec<u64> = (0..200)
            .map(|_| match LIFETIME.resolve(&options).expiration {
                Expiration::After(ttl) => ttl.as_millis(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(
            millis
                .iter()
                .all(|millis| (80_000..=100_000).contains(millis)),
            "{millis:?}"
        );
        assert!(millis.iter().any(|other| *other != millis[0]), "{millis:?}");
    }
}
