-- Whether the claim of a member is still the one with this score.
local function is_held(held, member, claim)
  return tonumber(redis.call('ZSCORE', held, member)) == claim
end

-- Holds a key whose attempt came to its end until there may be another. Of all scores in the set only these have a
-- fraction, by which a claim that was left to expire is told from them.
local function wait_until(held, at_ms, member)
  redis.call('ZADD', held, string.format('%.1f', at_ms - 0.5), member)
end

-- Ends the claim of a key whose write has been replaced since: the newer one is as old as the claim, and has had no attempt.
local function requeue(due, held, waiting, write, member, claimed_at, window, count)
  redis.call('ZADD', due, claimed_at + window, member)
  redis.call('ZREM', held, member)
  redis.call('ZREM', waiting, member)
  local left = whole(redis.call('GETRANGE', write, 34, 41), 1) - count
  redis.call('SETRANGE', write, 17, string.format('%013.0f', claimed_at) .. '000')
  redis.call('SETRANGE', write, 34, string.format('%08.0f', math.max(left, 1)))
end
