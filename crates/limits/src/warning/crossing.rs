//! When a threshold is crossed.

use std::time::Duration;

/// What one call changed of one limit, as the script saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage<'a> {
    /// The name of the limit, or what a quota counts.
    pub(crate) counted: &'a str,
    /// The window of a quota.
    pub(crate) window: Option<&'static str>,
    pub(crate) before: u64,
    pub(crate) after: u64,
    pub(crate) limit: u64,
    pub(crate) resets_in: Option<Duration>,
}

impl Usage<'_> {
    /// Whether this call, and no other, went over so much of the limit.
    ///
    /// Scripts run one after the other, and each begins where the last one ended: of many calls that raise the usage over a
    /// threshold, one sees it below before and not below after.
    pub(super) fn crosses(&self, percent: u8) -> bool {
        let reaches =
            |used: u64| u128::from(used) * 100 >= u128::from(self.limit) * u128::from(percent);
        self.limit > 0 && !reaches(self.before) && reaches(self.after)
    }
}
