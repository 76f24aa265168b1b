-- Calls on token buckets of many subjects, as `gcra.lua` decides one. The arguments are the capacity and the microseconds of a
-- token, and for each key the number of its calls and their costs, which are decided in their order.
-- Reply, for each call: the numbers of `gcra.lua`. -2 stands in the place of each call on a key of which the state is written in
-- another way, or cannot be read or written.
local capacity, micros, next_cost = tonumber(ARGV[1]), tonumber(ARGV[2]), 3
local full, reply, filled = capacity * micros, {}, 0
local pcall, floor, ceil = redis.pcall, math.floor, math.ceil
for each = 1, #KEYS do
  local name, last = KEYS[each], next_cost + ARGV[next_cost]
  local stored, ahead, known, dirty, before = pcall('GET', name), 0, true, false, filled
  if stored then
    local tat = #stored == 16 and tonumber(stored)
    known = tat and tat >= 1000000000000000
    if known and tat > now then ahead = tat - now end
    if ahead > full then ahead, dirty = full, true end
  end
  if known then
    for place = next_cost + 1, last do
      local left, retry = ahead + ARGV[place] * micros, 0
      if left <= full then
        ahead, dirty = left, true
      else
        retry = left - full
      end
      reply[filled + 1] = floor((full - ahead) / micros)
      reply[filled + 2] = retry
      reply[filled + 3] = ahead
      filled = filled + 3
    end
    if dirty then
      local left = ahead
      if pcall('SET', name, now + left, 'PX', ceil(left / 1000)).err then known = false end
    end
  end
  if not known then
    filled = before
    for place = filled + 1, #reply do reply[place] = nil end
    for _ = next_cost + 1, last do
      reply[filled + 1] = -2
      filled = filled + 1
    end
  end
  next_cost = last + 1
end
return reply
