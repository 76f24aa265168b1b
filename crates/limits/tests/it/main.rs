//! Limiters as their users have them: against plain models, on real servers, and under clocks that jump.

mod clock_jumps;
mod coalescing;
mod coalescing_twins;
mod everlasting;
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
mod rights;
mod side_by_side;
mod support;
mod twins;
mod vectors;
mod yielding;
