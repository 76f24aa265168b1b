//! Entering keys into indices, alone or together with their values.

use std::{collections::HashSet, ops::Bound, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    ExpireChange, KeyExpiry, Reply, Result, Script, ScriptEffect, SetOptions, Transaction,
    ZAddCondition,
};

use super::{GRACE, misuse, number};

/// `enter(index, members, expiries, longest, trim)`: raises the members' scores, covers the longest life (in ms) with
/// the index's own TTL, and removes up to `trim` members that are long over.
///
/// `redis.call` writes a number with 17 digits, so that milliseconds reach the server exactly. Scores go up in one `ZADD`
/// where all of them rise, which is ordinary; else each becomes what it is by then, and one more.
///
/// The TTL is set a grace longer than it must be, so that it need not be raised again with every write.
macro_rules! enter {
    () => {
        "
local function enter(index, members, expiries, longest, trim)
  local entries = {}
  for i = 1, #members do
    entries[2 * i - 1] = expiries[i] or expiries[1]
    entries[2 * i] = members[i]
  end
  if redis.call('ZADD', index, 'GT', 'CH', unpack(entries)) < #members then
    local scores = redis.call('ZMSCORE', index, unpack(members))
    for i = 1, #members do
      entries[2 * i - 1] = tonumber(scores[i]) + 1
    end
    redis.call('ZADD', index, unpack(entries))
  end
  if redis.call('PTTL', index) < longest + 60000 then
    redis.call('PEXPIRE', index, longest + 120000)
  end
  if trim > 0 then
    local over = redis.call('ZRANGE', index, '-inf', math.floor(now / 1000) - 60000, 'BYSCORE', 'LIMIT', 0, trim)
    if #over > 0 then
      redis.call('ZREM', index, unpack(over))
    end
  end
end
"
    };
}
