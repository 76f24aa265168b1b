-- Calls on several token buckets of a subject, all or nothing, whose rates are whole numbers of microseconds a token: what
-- `bucket.lua` does, and no more than these need. The first argument is the number of buckets, then follow the capacity and
-- the microseconds of each, and for each subject the number of its calls and their costs.
-- Reply, for each call and bucket: what is free, when it passes (0 where it fits), and when the bucket is full again. -2 stands
-- for a subject of which a state is written in another way, or cannot be read or written.
local count = tonumber(ARGV[1])
local micros, full = {}, {}
for i = 1, count do
  micros[i] = tonumber(ARGV[2 * i + 1])
  full[i] = ARGV[2 * i] * micros[i]
end
local next_cost, reply, filled = 2 * count + 2, {}, 0
for first = 0, #KEYS - count, count do
  local last, before, known = next_cost + tonumber(ARGV[next_cost]), filled, true
  local rooms, dirty, whole = {}, {}, false
  for i = 1, count do
    local stored, ahead = redis.pcall('GET', KEYS[first + i]), 0
    if stored then
      if type(stored) == 'table' or #stored > 16 or not string.find(stored, '^%d+$') then
        known = false
        break
      end
      ahead = math.max(tonumber(stored) - now, 0)
      if ahead > full[i] then ahead, dirty[i] = full[i], true end
    end
    rooms[i] = full[i] - ahead
  end
  if known then
    for place = next_cost + 1, last do
      local cost, fits = tonumber(ARGV[place]), true
      for i = 1, count do
        if cost * micros[i] > rooms[i] then fits = false end
      end
      whole = whole or fits
      for i = 1, count do
        local time, retry = cost * micros[i], 0
        if fits then
          rooms[i] = rooms[i] - time
        elseif time > rooms[i] then
          retry = time - rooms[i]
        end
        reply[filled + 1] = math.floor(rooms[i] / micros[i])
        reply[filled + 2] = retry
        reply[filled + 3] = full[i] - rooms[i]
        filled = filled + 3
      end
    end
    for i = 1, count do
      if whole or dirty[i] then
        local left = full[i] - rooms[i]
        local name, life = KEYS[first + i], int(math.max(math.ceil(left / 1000), 1))
        if redis.pcall('SET', name, int(now + left), 'PX', life).err then known = false end
      end
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
