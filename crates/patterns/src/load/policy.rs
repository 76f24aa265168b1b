//! How a cache loads.

use std::time::Duration;

use cachekit_keys::Ttl;
use cachekit_store::{Error, ErrorKind, Result};

use super::Refresh;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) negative_ttl: Ttl,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Duration,
    /// How long a lease lives unless its holder renews it.
    pub(crate) lease_ttl: Ttl,
    pub(crate) refresh: Refresh,
    /// How many loads without a lease run at once.
    pub(crate) unleased: usize,
    /// How many loads of any kind run at once.
    pub(crate) loads: Option<usize>,
    /// How long after a failure no other load of the key is started, even if nothing else can be served.
    pub(crate) failure_hold: Duration,
    pub(crate) seed: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            negative_ttl: Ttl::seconds(60),
            soft_timeout: None,
            hard_timeout: Duration::from_secs(30),
            lease_ttl: Ttl::seconds(5),
            refresh: Refresh::never(),
            unleased: 64,
            loads: None,
            failure_hold: Duration::from_millis(100),
            seed: None,
        }
    }
}

impl Policy {
    pub(crate) fn check(&self) -> Result<()> {
        let refused =
            |detail| Err(Error::new(ErrorKind::Configuration, "build").with_detail(detail));
        if self.hard_timeout.is_zero() {
            return refused("a hard time-out of zero would end every load");
        }
        if self.unleased == 0 || self.unleased > tokio::sync::Semaphore::MAX_PERMITS {
            return refused("the number of loads while the store is away is at least 1");
        }
        let most = tokio::sync::Semaphore::MAX_PERMITS;
        if self.loads.is_some_and(|loads| loads == 0 || loads > most) {
            return refused("the number of loads at once is at least 1");
        }
        Ok(())
    }
}
