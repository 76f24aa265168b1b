//! What a proxy does at the moment.

use std::time::Duration;

/// The state that all connections watch.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// Bytes are taken and not passed on.
    pub(super) stalled: bool,
    /// New connections are reset at once.
    pub(super) refusing: bool,
    pub(super) delay_to_server: Duration,
    pub(super) delay_to_client: Duration,
    /// How often everything was cut so far. A connection ends when this differs from what it began with.
    pub(super) cuts: u64,
}
