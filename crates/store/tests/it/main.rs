//! The stores from the outside: the conformance cases on each of them, and what only a real server shows.

#[cfg(feature = "redis")]
mod cluster;
#[cfg(feature = "redis")]
mod cuts;
#[cfg(feature = "redis")]
mod drops;
#[cfg(feature = "redis")]
mod equivalence;
#[cfg(feature = "redis")]
mod fake_cluster;
#[cfg(feature = "redis")]
mod faults;
#[cfg(feature = "redis")]
mod hub;
mod layers;
mod memory;
#[cfg(feature = "mock")]
mod mock;
#[cfg(feature = "redis")]
mod plans;
#[cfg(feature = "redis")]
mod scripts;
#[cfg(feature = "redis")]
mod servers;
#[cfg(feature = "tls")]
mod tls;
