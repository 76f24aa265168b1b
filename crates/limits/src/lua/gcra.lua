-- Calls on token buckets whose rate is a whole number of microseconds a token: what `bucket.lua` does, and no more than these
-- need. The arguments are the capacity, the microseconds, and for each key the number of its calls and their costs.
-- Reply, for each call: what is free, when it passes (0 for what was taken), and when the bucket is full again. -2 stands for
-- a key whose state is written in another way, or cannot be read or written; nothing has happened to it.
local capacity, micros, next_cost = tonumber(ARGV[1]), tonumber(ARGV[2]), 3
local full, reply, filled = capacity * micros, {}, 0
for each = 1, #KEYS do
  local name, last = KEYS[each], next_cost + tonumber(ARGV[next_cost])
  local stored, ahead, dirty, before = redis.pcall('GET', name), 0, false, filled
  if stored then
    if type(stored) == 'table' or #stored > 16 or not string.find(stored, '^%d+$') then
      dirty = nil
    else
      ahead = math.max(tonumber(stored) - now, 0)
      if ahead > full then ahead, dirty = full, true end
    end
  end
  if dirty ~= nil then
    local room = full - ahead
    for place = next_cost + 1, last do
      local time, retry = tonumber(ARGV[place]) * micros, 0
      if time <= room then
        room, dirty = room - time, true
      else
        retry = time - room
      end
      reply[filled + 1] = math.floor(room / micros)
      reply[filled + 2] = retry
      reply[filled + 3] = full - room
      filled = filled + 3
    end
    if dirty then
      local left = full - room
      local set = redis.pcall('SET', name, int(now + left), 'PX', int(math.max(math.ceil(left / 1000), 1)))
      if set.err then dirty = nil end
    end
  end
  if dirty == nil then
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
