//! Loading over real servers, with several stores as the processes of a fleet, and with a process that is killed.

mod answers;
mod calls;
mod entries;
mod faults;
mod fleet;
mod gate;
mod many;
mod memory;
mod outages;
mod processes;
mod support;
mod through;
mod traffic;
