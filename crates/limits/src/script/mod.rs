//! The scripts of rate limits. Every one is the same procedure: ask all limits of the call, then write to all or to none.
//!
//! The Lua text is put together from the files in `lua`, and the modules here are its twins in Rust, function by function.
//! The single scripts leave out the algorithms that they do not need, which a server would set up on every run.

mod bucket;
mod calendar;
mod driver;
mod log;
mod plan;
mod sliding;
mod window;

use cachekit_store::{Script, ScriptEffect};

pub(crate) use self::plan::{MAX_SLIDING, Reader, div_ceil, exact, now, score, ttl_millis, whole};

/// The text of one algorithm, with what all need.
macro_rules! text {
    ($($algorithm:literal),*) => {
        concat!(
            include_str!("../lua/common.lua"),
            $(include_str!(concat!("../lua/", $algorithm, ".lua")),)*
            include_str!("../lua/driver.lua"),
        )
    };
}

macro_rules! script {
    ($name:literal, $($algorithm:literal),*) => {
        Script::new($name, text!($($algorithm),*)).with_time().with_body(driver::run)
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

/// The same script where it is only asked, so that a lost answer leaves nothing open.
pub(crate) const fn peeking(script: Script) -> Script {
    script.with_effect(ScriptEffect::ReadOnly)
}
