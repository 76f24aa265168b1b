-- GCRA. The state is the moment at which the bucket is full again: `micros`, or `micros:part:parts` for micros + part/parts.
algorithms.bucket = function()
  local name, capacity, micros, part, parts = key(), arg(), arg(), arg(), arg()
  local plan = { limit = capacity, window = 0 }
  local function time_of(tokens)
    local over = tokens * part
    local carry = math.floor(over / parts)
    return tokens * micros + carry, over - carry * parts
  end
  local full, full_part = time_of(capacity)
  local ahead, ahead_part = 0, 0
  local stored = redis.call('GET', name)
  if stored then
    local t, p, q = string.match(stored, '^(%d+):(%d+):(%d+)$')
    if t then
      t, p, q = whole(t), whole(p), whole(q)
      if not (p and q) then t = nil end
    else
      t, p, q = whole(stored), 0, parts
    end
    if t then
      -- A part that was counted in other parts is rounded up.
      if q ~= parts or p >= parts then t, p = t + 1, 0 end
      ahead, ahead_part = t - now, p
      if ahead < 0 then ahead, ahead_part = 0, 0 end
      if ahead > full or (ahead == full and ahead_part > full_part) then
        ahead, ahead_part, plan.repair = full, full_part, true
      end
    end
  end
  local room, room_part
  local function measure()
    room, room_part = full - ahead, full_part - ahead_part
    if room_part < 0 then room, room_part = room - 1, room_part + parts end
  end
  measure()
  local function fits(tokens)
    local t, p = time_of(tokens)
    return t < room or (t == room and p <= room_part)
  end
  -- A guess that is at most one off, because the division rounds.
  local free = math.min(math.floor((room + room_part / parts) / (micros + part / parts)), capacity)
  while free > 0 and not fits(free) do free = free - 1 end
  while free < capacity and fits(free + 1) do free = free + 1 end
  plan.free = free
  plan.retry = function(cost)
    local t, p = time_of(cost)
    return t - room + (p > room_part and 1 or 0)
  end
  plan.reset = function() return ahead + (ahead_part > 0 and 1 or 0) end
  plan.save = function()
    local text = int(now + ahead)
    if ahead_part > 0 then text = text .. ':' .. int(ahead_part) .. ':' .. int(parts) end
    put(name, text, plan.reset())
  end
  plan.take = function(cost)
    local t, p = time_of(cost)
    ahead, ahead_part = ahead + t, ahead_part + p
    if ahead_part >= parts then ahead, ahead_part = ahead + 1, ahead_part - parts end
    measure()
    plan.dirty = true
  end
  plan.refund = function(cost)
    local back = math.min(cost, capacity - free)
    local t, p = time_of(cost)
    ahead, ahead_part = ahead - t, ahead_part - p
    if ahead_part < 0 then ahead, ahead_part = ahead - 1, ahead_part + parts end
    if ahead < 0 or (ahead == 0 and ahead_part == 0) then
      ahead, ahead_part = 0, 0
      redis.call('DEL', name)
    else
      plan.save()
    end
    plan.free = free + back
    return back
  end
  return plan
end
