//! The kit's counts for the `metrics` facade.

use crate::CacheKit;

impl CacheKit {
    /// Hands the kit's counts to the recorder of the `metrics` crate: call it when metrics are collected, or from a timer.
    ///
    /// Reads cost nothing extra: the counts are kept in any case, and this sets the counters to them. `kit` names this kit
    /// among those of the process, such as `"main"`: two kits under one name overwrite each other's counters. Clones share
    /// their counts, and so a name.
    ///
    /// | counter | labels | meaning |
    /// |---|---|---|
    /// | `cachekit_requests_total` | `kit` = the name given; `outcome` = `hit`, `negative`, `miss`, `corrupt`, `newer` | keys asked for; each counts under one outcome |
    ///
    /// # Examples
    /// ```
    /// let kit = cachekit::CacheKit::memory();
    /// kit.record_metrics("main"); // does nothing where no recorder is installed
    /// ```
    pub fn record_metrics(&self, kit: &'static str) {
        let counts = self.counts();
        let outcomes = [
            ("hit", counts.hits.saturating_sub(counts.negative)),
            ("negative", counts.negative),
            (
                "miss",
                counts.misses.saturating_sub(counts.corrupt + counts.newer),
            ),
            ("corrupt", counts.corrupt),
            ("newer", counts.newer),
        ];
        for (outcome, count) in outcomes {
            metrics::counter!("cachekit_requests_total", "kit" => kit, "outcome" => outcome)
                .absolute(count);
        }
    }
}
