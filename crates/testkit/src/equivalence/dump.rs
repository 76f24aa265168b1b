//! All that a list has left behind under one key, for the comparison at its end.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    ErrorKind, KeyExpiry, Reply, Result, Script, ScriptCall, ScriptEffect, Store, Transaction,
};

use super::{Answer, Outcome, frozen::BoxFuture};

/// Type, life and content of a key of any type.
const DUMP: Script = Script::new(
    "equivalence-dump",
    r"local kind = redis.call('TYPE', KEYS[1]).ok
local life = redis.call('PTTL', KEYS[1])
local content = false
if kind == 'string' then content = redis.call('GET', KEYS[1])
elseif kind == 'hash' then content = redis.call('HGETALL', KEYS[1])
elseif kind == 'zset' then content = redis.call('ZRANGE', KEYS[1], '-inf', '+inf', 'BYSCORE', 'WITHSCORES')
end
return {kind, life, content}",
)
.with_body(dump)
.with_effect(ScriptEffect::ReadOnly);

fn dump(tx: &mut dyn Transaction, keys: &[Key], _args: &[Bytes]) -> Result<Reply> {
    let key = &keys[0];
    let life = match tx.pttl(key)? {
        KeyExpiry::In(left) => i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
        KeyExpiry::Never => -1,
        _ => return Ok(whole("none", -2, Reply::Nil)),
    };
    if let Some(value) = other_type(tx.get(key))? {
        let value = value.map_or(Reply::Nil, Reply::Bytes);
        return Ok(whole("string", life, value));
    }
    if let Some(fields) = other_type(tx.hgetall(key))? {
        let flat = fields.into_iter().flat_map(|(field, value)| [field, value]);
        let content = Reply::Array(flat.map(Reply::Bytes).collect());
        return Ok(whole("hash", life, content));
    }
    let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    if let Some(members) = other_type(tx.zrange_by_score(key, everything, 1_000_000))? {
        let flat = members
            .into_iter()
            .flat_map(|(member, score)| [member, score.to_string().into()]);
        let content = Reply::Array(flat.map(Reply::Bytes).collect());
        return Ok(whole("zset", life, content));
    }
    Ok(whole("list", life, Reply::Nil))
}

fn whole(kind: &'static str, life: i64, content: Reply) -> Reply {
    let kind = Reply::Bytes(Bytes::from_static(kind.as_bytes()));
    Reply::Array(vec![kind, Reply::Integer(life), content])
}

/// Nothing where the key holds another type.
fn other_type<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a key whole; without `scripts` only its life, and its content if that is a string.
pub(super) fn read<'a>(
    key: &'a Key,
    scripts: bool,
    store: &'a dyn Store,
) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        if !scripts {
            let life = store.expiries(std::slice::from_ref(key)).await?;
            let value = other_type(store.get(key).await)?;
            let value = value.map(|value| value.map(super::Blob::from));
            return Ok(Answer::List(vec![Answer::list(life), value.into()]));
        }
        let call = ScriptCall::new(vec![key.clone()], Vec::new());
        let reply = store.run_script(&DUMP, &[call]).await?.into_iter().next();
        Ok(reply.map_or(Answer::Nil, canonical))
    })
}

fn canonical(reply: Reply) -> Answer {
    let Reply::Array(parts) = reply else {
        return reply.into();
    };
    let [kind, life, content]: [Reply; 3] = match parts.try_into() {
        Ok(parts) => parts,
        Err(parts) => return Answer::list(parts),
    };
    let content = match &kind {
        Reply::Bytes(kind) if kind == "hash" => Answer::pairs(content),
        Reply::Bytes(kind) if kind == "zset" => Answer::scored(content),
        _ => content.into(),
    };
    Answer::List(vec![kind.into(), Answer::pttl(life), content])
}
