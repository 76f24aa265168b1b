-- Calls on several token buckets of a subject, all or nothing, as `gcra.lua` decides on one. The first argument is the number of
-- buckets, then follow the capacity and the microseconds of each, and for each subject the number of its calls and their costs.
-- Reply, for each call and bucket: the numbers of `gcra.lua`. -2 stands in the place of each call of a subject of which a state
-- is written in another way, or cannot be read or written.
local count, micros, full = tonumber(ARGV[1]), {}, {}
for i = 1, count do
  micros[i] = tonumber(ARGV[2 * i + 1])
  full[i] = ARGV[2 * i] * micros[i]
end
local next_cost, reply, filled = 2 * count + 2, {}, 0
local pcall, floor, ceil = redis.pcall, math.floor, math.ceil
for first = 0, #KEYS - count, count do
  local last, before, known, taken = next_cost + ARGV[next_cost], filled, true, false
  local aheads, dirty = {}, {}
  for i = 1, count do
    local stored, ahead = pcall('GET', KEYS[first + i]), 0
    if stored then
      local tat = #stored == 16 and tonumber(stored)
      known = tat and tat >= 1000000000000000
      if not known then break end
      if tat > now then ahead = tat - now end
      if ahead > full[i] then ahead, dirty[i] = full[i], true end
    end
    aheads[i] = ahead
  end
  if known then
    for place = next_cost + 1, last do
      local cost, fits = tonumber(ARGV[place]), true
      for i = 1, count do fits = fits and aheads[i] + cost * micros[i] <= full[i] end
      taken = taken or fits
      for i = 1, count do
        local ahead, retry = aheads[i], 0
        local left = ahead + cost * micros[i]
        if fits then
          ahead, aheads[i] = left, left
        elseif left > full[i] then
          retry = left - full[i]
        end
        reply[filled + 1] = floor((full[i] - ahead) / micros[i])
        reply[filled + 2] = retry
        reply[filled + 3] = ahead
        filled = filled + 3
      end
    end
    for i = 1, count do
      local left = aheads[i]
      if (taken or dirty[i]) and pcall('SET', KEYS[first + i], now + left, 'PX', ceil(left / 1000)).err then
        known = false
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
