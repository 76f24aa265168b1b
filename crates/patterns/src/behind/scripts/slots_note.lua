local slots, slot, at = KEYS[1], ARGV[1], math.floor(now / 1000) + ARGV[2]
local there = tonumber(redis.call('ZSCORE', slots, slot))
if not there or there == math.huge then
  redis.call('ZADD', slots, at, slot)
  return there and 0 or 1
end
-- Half a millisecond says that two notes have become one, or that a note came to a slot that is taken.
redis.call('ZADD', slots, string.format('%.1f', math.min(at, math.ceil(there)) - 0.5), slot)
return 0
