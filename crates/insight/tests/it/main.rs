//! Trackers on real servers and on a cluster: several processes, cut connections, servers that forget.

mod fleet;
mod flushes;
mod rights;
mod support;
