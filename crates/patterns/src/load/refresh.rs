//! When a value that is still fresh is loaded anew.

use std::time::Duration;

use cachekit_store::{Error, ErrorKind, Result};

/// When a value is loaded anew before it ceases to be fresh, in the background, by one process of the fleet.
///
/// # Examples
/// ```
/// use cachekit_patterns::Refresh;
/// assert!(Refresh::at(0.8).is_ok());
/// assert!(Refresh::at(1.5).is_err());
/// assert_eq!(Refresh::default(), Refresh::never());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Refresh(Kind);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind {
    #[default]
    Never,
    At(f64),
    XFetch(f64),
}

impl Refresh {
    /// Not before it has to be; the default.
    ///
    /// # Examples
    /// See [`Refresh`].
    #[must_use]
    pub const fn never() -> Self {
        Self(Kind::Never)
    }

    /// With the first read after this fraction of the fresh time, such as 0.8.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a fraction that is not between 0 and 1.
    ///
    /// # Examples
    /// See [`Refresh`].
    pub fn at(fraction: f64) -> Result<Self> {
        if fraction > 0.0 && fraction < 1.0 {
            return Ok(Self(Kind::At(fraction)));
        }
        Err(Error::new(ErrorKind::InvalidInput, "refresh")
            .with_detail("a fraction is between 0 and 1"))
    }

    /// With each read by chance, the more likely the longer the value takes to load and the closer the end of its fresh time:
    /// with probability `exp(-left / (beta * load time))`. A beta of 1 suits most; more is earlier.
    ///
    /// This is XFetch (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). The
    /// load time is that of the entry's header, or the cache's moving average where there is none.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a beta that is not positive and finite.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Refresh;
    /// assert!(Refresh::xfetch(1.0).is_ok());
    /// assert!(Refresh::xfetch(0.0).is_err());
    /// ```
    pub fn xfetch(beta: f64) -> Result<Self> {
        if beta > 0.0 && beta.is_finite() {
            return Ok(Self(Kind::XFetch(beta)));
        }
        Err(Error::new(ErrorKind::InvalidInput, "refresh").with_detail("beta is above 0"))
    }

    pub(crate) fn is_never(self) -> bool {
        self == Self::never()
    }

    /// Whether it needs the load time in each entry.
    pub(crate) const fn is_xfetch(self) -> bool {
        matches!(self.0, Kind::XFetch(_))
    }

    /// Whether a value of this age, with so long to stay fresh and this load time, is to be loaded anew; `draw` answers a
    /// number from 0 (included) to 1 (excluded).
    pub(super) fn is_due(
        self,
        age: Option<Duration>,
        left: Option<Duration>,
        load_time: Option<Duration>,
        draw: impl FnOnce() -> f64,
    ) -> bool {
        match (self.0, age, left, load_time) {
            (Kind::At(fraction), Some(age), Some(left), _) => {
                age.as_secs_f64() >= fraction * (age + left).as_secs_f64()
            }
            (Kind::XFetch(beta), _, Some(left), Some(load_time)) => {
                // 1 - draw is never 0, so that the logarithm is finite.
                let early = load_time.as_secs_f64() * beta * -(1.0 - draw()).ln();
                early >= left.as_secs_f64()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Refresh;

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    #[test]
    fn a_threshold_is_met_from_its_fraction_on() {
        let refresh = Refresh::at(0.8).unwrap();
        let is_due = |age| {
            let (age, left) = (Duration::from_secs(age), Duration::from_secs(10 - age));
            refresh.is_due(Some(age), Some(left), None, || 0.0)
        };
        assert!(!is_due(7) && is_due(8) && is_due(10));
        assert!(!refresh.is_due(SECOND, None, None, || 0.0));
    }

    #[test]
    fn xfetch_has_the_papers_probability() {
        let refresh = Refresh::xfetch(2.0).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let rounds = 100_000;
        let hits = (0..rounds)
            .filter(|_| refresh.is_due(None, SECOND, SECOND, || random.f64()))
            .count();
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let share = hits as f64 / f64::from(rounds);
        assert!((share - (-0.5_f64).exp()).abs() < 0.01, "{share}");
    }
}
