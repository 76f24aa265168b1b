//! A script's procedure as plain commands, for calls that need no decision on the server.

use bytes::Bytes;
use cachekit_keys::Key;

use super::Reply;

/// Writes down what a call of a script does as commands that a server runs in one transaction (`MULTI`), and answers what
/// the script would; `None` for a call that has to be run as the script.
///
/// A server runs plain commands about twice as fast as the same from Lua. So this is for scripts whose ordinary call decides
/// nothing: keys, arguments, and the server's time in milliseconds since the Unix epoch, which is an estimate that the store
/// verifies in the same transaction, and which is at most [`MAX_DRIFT_MS`] off.
///
/// # What a plan must keep to
/// Where a command fails or answers other than [expected](Commands::expect), or the time was further off, the store
/// runs the script for the same call after it. So whatever the commands leave behind must be harmless, and must be put
/// right by the script.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use cachekit_keys::Key;
/// use cachekit_store::{Commands, Reply, Script};
///
/// /// Writes a value and ends a claim of it, if there is one: a script that hardly ever finds one.
/// const WRITE: Script = Script::new(
///     "write",
///     "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
///      if redis.call('DEL', KEYS[2]) == 1 then redis.call('PUBLISH', 'claims', KEYS[2]) end
///      return 1",
/// )
/// .with_plan(plan);
///
/// fn plan(commands: &mut dyn Commands, keys: &[Key], args: &[Bytes], _now: u64) -> Option<Reply> {
///     commands.add(&[b"SET", keys[0].as_bytes(), &args[0], b"PX", &args[1]]);
///     commands.expect(&[b"EXISTS", keys[1].as_bytes()], 0);
///     Some(Reply::Integer(1))
/// }
/// ```
pub type ScriptPlan = fn(&mut dyn Commands, &[Key], &[Bytes], now_ms: u64) -> Option<Reply>;

/// How far the time that a [plan](ScriptPlan) is given may be off, in milliseconds: 10 seconds.
pub const MAX_DRIFT_MS: u64 = 10_000;

/// Takes down the commands of a [plan](ScriptPlan).
///
/// # Examples
/// See [`ScriptPlan`].
pub trait Commands {
    /// Adds a command, given as its name and arguments, which may answer anything but an error.
    fn add(&mut self, words: &[&[u8]]);

    /// Adds a command that answers this number where all is as planned.
    fn expect(&mut self, words: &[&[u8]], answer: i64);
}
