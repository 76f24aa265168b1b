//! Making sense of the scripts' replies.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Reply, Result, Script, ScriptCall, Store};

/// Runs a script once.
pub(crate) async fn run(
    store: &dyn Store,
    script: &Script,
    keys: Vec<Key>,
    args: Vec<Bytes>,
) -> Result<Reply> {
    let replies = store
        .run_script(script, &[ScriptCall::new(keys, args)])
        .await?;
    let reply = replies.into_iter().next();
    reply.ok_or_else(|| unexpected(script))
}

pub(crate) fn integer(script: &Script, reply: &Reply) -> Result<u64> {
    match reply {
        Reply::Integer(number) => u64::try_from(*number).map_err(|_| unexpected(script)),
        _ => Err(unexpected(script)),
    }
}

pub(super) fn bytes(script: &Script, reply: Reply) -> Result<Bytes> {
    match reply {
        Reply::Bytes(bytes) => Ok(bytes),
        _ => Err(unexpected(script)),
    }
}

pub(crate) fn unexpected(script: &Script) -> Error {
    Error::new(ErrorKind::Unexpected, script.name).with_detail("the reply has another form")
}
