//! Limiters as their users have them: against plain models, on real servers, and under clocks that jump.

mod bad_input;
mod clock_jumps;
mod cluster;
mod coalescing;
mod coalescing_twins;
mod denials;
mod everlasting;
mod faults;
mod hammer;
mod inflight;
mod leasing;
mod model_based;
mod models;
mod outages;
mod processes;
mod quota_model;
mod quota_twins;
mod quotas;
mod reservations;
mod rights;
mod side_by_side;
mod sliding_error;
mod support;
mod twins;
mod vectors;
mod yielding;
