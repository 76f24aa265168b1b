//! The scripts of rate limits. Every one is the same procedure: ask all limits of the call, then write to all or to none.
//!
//! The Lua text is put together from the files in `lua`, and the modules here are its twins in Rust, function by function.
//! The single scripts leave out the algorithms that they do not need, which a server would set up on every run.

mod batch;
mod bucket;
mod calendar;
mod driver;
mod gcra;
mod log;
mod plan;
mod sliding;
mod window;

use cachekit_store::{Script, ScriptEffect};

pub(crate) use self::batch::FAILED;
pub(crate) use self::plan::{
    MAX_SLIDING, Reader, counted, div_ceil, exact, limited, now, score, ttl_millis, whole,
};

/// The text of algorithms with what all need, and how they are called.
macro_rules! text {
    ($calls:literal, $($algorithm:literal),*) => {
        concat!(
            include_str!("../lua/common.lua"),
            $(include_str!(concat!("../lua/", $algorithm, ".lua")),)*
            include_str!("../lua/driver.lua"),
            include_str!(concat!("../lua/", $calls, ".lua")),
        )
    };
}

/// One call of one subject.
macro_rules! script {
    ($name:literal, $($algorithm:literal),*) => {
        Script::new($name, text!("single", $($algorithm),*)).with_time().with_body(driver::run)
    };
}

/// Calls of many subjects.
macro_rules! batch {
    ($name:literal, $($algorithm:literal),*) => {
        Script::new($name, text!("batch", $($algorithm),*)).with_time().with_body(batch::run)
    };
}

pub(crate) const BUCKET: Script = script!("limit_bucket", "bucket");
pub(crate) const WINDOW: Script = script!("limit_window", "window");
pub(crate) const SLIDING: Script = script!("limit_sliding", "sliding");
pub(crate) const LOG: Script = script!("limit_log", "log");
pub(crate) const CALENDAR: Script = script!("limit_calendar", "calendar");
/// For limits of several algorithms in one call.
pub(crate) const MIXED: Script = script!(
    "limit_mixed",
    "bucket",
    "window",
    "sliding",
    "log",
    "calendar"
);

pub(crate) const BUCKETS: Script = batch!("limit_buckets", "bucket");
pub(crate) const WINDOWS: Script = batch!("limit_windows", "window");
pub(crate) const SLIDINGS: Script = batch!("limit_slidings", "sliding");
pub(crate) const LOGS: Script = batch!("limit_logs", "log");
pub(crate) const CALENDARS: Script = batch!("limit_calendars", "calendar");
/// For limits of several algorithms, of many subjects.
pub(crate) const ALL_MIXED: Script = batch!(
    "limit_all_mixed",
    "bucket",
    "window",
    "sliding",
    "log",
    "calendar"
);

/// The shortest text for the most usual call: on a token bucket.
pub(crate) const GCRA: Script = Script::new("limit_gcra", include_str!("../lua/gcra.lua"))
    .with_time()
    .with_body(gcra::run)
    .with_numbers(gcra::run_numbers);
/// The same for many calls.
pub(crate) const GCRAS: Script = Script::new("limit_gcras", include_str!("../lua/gcras.lua"))
    .with_time()
    .with_body(gcra::run_many);
/// The same for several token buckets, all or nothing.
pub(crate) const GCRA_ALL: Script =
    Script::new("limit_gcra_all", include_str!("../lua/buckets.lua"))
        .with_time()
        .with_body(gcra::run_all);

/// The same script where it is only asked, so that a lost answer leaves nothing open.
pub(crate) const fn peeking(script: Script) -> Script {
    script.with_effect(ScriptEffect::ReadOnly)
}
