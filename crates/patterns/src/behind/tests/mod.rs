//! Queues on the memory store, with paused time.

mod accepting;
mod barriers;
mod clocks;
mod draining;
mod hints;
mod letters;
mod reading;
mod servers;
mod support;
mod twins;
mod workers;
