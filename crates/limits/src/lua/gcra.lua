-- One call on a token bucket whose rate is a whole number of microseconds a token: what `bucket.lua` does, and no more than
-- this needs. The arguments are the capacity, the microseconds and the cost. Numbers go to the server as they are: it writes
-- whole ones of up to seventeen digits in full.
-- Reply: what is free, when the cost passes (0 where it was taken), and when the bucket is full again. -2 stands for a state
-- that is written in another way, or cannot be read; nothing has happened then.
local capacity, micros = tonumber(ARGV[1]), tonumber(ARGV[2])
local full, time, ahead = capacity * micros, ARGV[3] * micros, 0
local stored = redis.pcall('GET', KEYS[1])
if stored then
  local tat = #stored == 16 and tonumber(stored)
  if not tat or tat < 1000000000000000 then return {-2} end
  if tat > now then ahead = tat - now end
end
local left = ahead + time
if left <= full then
  redis.call('SET', KEYS[1], now + left, 'PX', math.ceil(left / 1000))
  return {math.floor((full - left) / micros), 0, left}
end
if ahead > full then
  -- No bucket is ever more than empty: a clock went back, or the limit was lowered.
  ahead, left = full, full
  redis.call('SET', KEYS[1], now + left, 'PX', math.ceil(left / 1000))
end
return {math.floor((full - ahead) / micros), ahead + time - full, ahead}
