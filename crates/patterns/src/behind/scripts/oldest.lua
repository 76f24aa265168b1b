-- When the oldest unpersisted write was accepted, in milliseconds; nothing for none.
local function oldest_of(due, waiting, window)
  local one = redis.call('ZRANGE', due, '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  local other = redis.call('ZRANGE', waiting, '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  one, other = one and tonumber(one) - window, tonumber(other)
  if one and other then
    return math.min(one, other)
  end
  return one or other
end
