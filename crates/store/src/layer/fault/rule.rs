//! One rule of a plan: which calls it meets, and what it does to them.

use std::time::Duration;

use cachekit_keys::Pattern;

use crate::{
    ErrorKind,
    layer::call::{Call, Class},
};

/// What happens to a call that a [`FaultRule`] meets.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::{ErrorKind, Fault};
///
/// let slow = Fault::Delay(Duration::from_millis(20));
/// let cut = Fault::LoseAnswer(ErrorKind::Unavailable);
/// assert_ne!(slow, cut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call is carried out this much later, and later rules are asked as well.
    Delay(Duration),
    /// The call is refused: nothing was done, and the error says so.
    Refuse(ErrorKind),
    /// The request is lost: nothing was done, but the error of a call that writes says that the change may have been
    /// applied, because a caller cannot tell this from [`LoseAnswer`](Self::LoseAnswer).
    LoseRequest(ErrorKind),
    /// The call is carried out and its answer lost: the error of a call that writes says that the change may have been
    /// applied.
    LoseAnswer(ErrorKind),
    /// Nothing is done, and no answer ever comes.
    Hang,
    /// The call is carried out, and no answer ever comes.
    HangAfter,
}

/// Which calls a fault meets: all, unless narrowed down.
///
/// # Examples
/// The third `increment` of a counter of `hits`, and none after it:
/// ```
/// use cachekit_keys::Pattern;
/// use cachekit_store::{ErrorKind, Fault, FaultRule};
///
/// let rule = FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout))
///     .on("increment")
///     .naming(Pattern::raw("hits:*")?)
///     .nth(3);
/// # drop(rule);
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is added to a plan"]
pub struct FaultRule {
    pub(super) fault: Fault,
    operations: Vec<&'static str>,
    names: Option<Pattern>,
    pub(super) skip: u64,
    pub(super) times: u64,
    pub(super) probability: f64,
}

impl FaultRule {
    /// A rule that does this to every call.
    ///
    /// # Examples
    /// See [`FaultRule`].
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            operations: Vec::new(),
            names: None,
            skip: 0,
            times: u64::MAX,
            probability: 1.0,
        }
    }

    /// Meets only calls of this method, or runs of the script with this name; `run_script` stands for all scripts. Said
    /// several times: of any of them.
    ///
    /// # Examples
    /// See [`FaultRule`].
    pub fn on(mut self, operation: &'static str) -> Self {
        self.operations.push(operation);
        self
    }

    /// Meets only calls with at least one key or channel that matches. Calls without either, such as `scan`, do not.
    ///
    /// # Examples
    /// See [`FaultRule`].
    pub fn naming(mut self, names: Pattern) -> Self {
        self.names = Some(names);
        self
    }

    /// Lets the first `calls` pass that it would meet.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{ErrorKind, Fault, FaultRule};
    ///
    /// let warm_up_works = FaultRule::new(Fault::Refuse(ErrorKind::OutOfMemory)).on("set").after(100);
    /// # drop(warm_up_works);
    /// ```
    pub const fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Strikes at most this often.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{ErrorKind, Fault, FaultRule};
    ///
    /// let twice = FaultRule::new(Fault::Refuse(ErrorKind::NotReady)).times(2);
    /// # drop(twice);
    /// ```
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Strikes the call with this number among those that it meets, counted from 1, and no other.
    ///
    /// # Examples
    /// See [`FaultRule`].
    pub const fn nth(self, number: u64) -> Self {
        self.after(number.saturating_sub(1)).times(1)
    }

    /// Strikes a call with this probability, from 0 to 1; a number outside counts as the nearest of the two, and one that
    /// is none as 0. The draws come from the plan's seed.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{ErrorKind, Fault, FaultRule};
    ///
    /// let one_in_ten = FaultRule::new(Fault::LoseAnswer(ErrorKind::Unavailable)).with_probability(0.1);
    /// # drop(one_in_ten);
    /// ```
    pub const fn with_probability(mut self, probability: f64) -> Self {
        self.probability = if probability.is_nan() {
            0.0
        } else {
            probability.clamp(0.0, 1.0)
        };
        self
    }

    pub(super) fn meets(&self, call: &Call<'_>) -> bool {
        let operation_fits = self.operations.is_empty()
            || self.operations.contains(&call.operation)
            || (call.class == Class::Script && self.operations.contains(&"run_script"));
        let name_fits = |names: &Pattern| call.any_name(|name| names.matches(name));
        operation_fits && self.names.as_ref().is_none_or(name_fits)
    }
}
