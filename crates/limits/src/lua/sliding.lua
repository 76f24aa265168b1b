-- Sliding window counter. The state is `index:current:previous:width`.
algorithms.sliding = function()
  local name, limit, width = key(), arg(), arg()
  local plan = { limit = limit }
  local index, elapsed = math.floor(now / width), now % width
  local current, previous = 0, 0
  local stored = redis.call('GET', name)
  if stored then
    local i, c, p, w = string.match(stored, '^(%d+):(%d+):(%d+):(%d+)$')
    i, c, p, w = whole(i), whole(c), whole(p), whole(w)
    if i and c and p and w then
      c, p = math.min(c, 67108864), math.min(p, 67108864)
      if w ~= width then
        -- The limit had another width: what may lie in the last one of this width counts in full.
        if now < (i + 1) * w + width then current = c end
        if now < i * w + width then current = current + p end
        current, plan.repair = math.min(current, limit), current > 0
      elseif i == index then
        current, previous = c, p
      elseif i + 1 == index then
        previous = c
      elseif i == index + 1 then
        -- The clock went back a little: the later window has just begun.
        index, elapsed, current, previous = i, 0, c, p
      elseif i > index then
        current, plan.repair = math.min(c + p, limit), true
      end
    end
  end
  local left = width - elapsed
  -- Whether what is left of the previous window fits into `room`: previous * left <= room * width.
  local function fits(room) return room >= previous or left <= scaled(room, width, previous) end
  local function free()
    -- A guess that is at most one off, because the product and the division round.
    local weighed = math.min(math.floor(previous * left / width), previous)
    while weighed > 0 and fits(weighed - 1) do weighed = weighed - 1 end
    while not fits(weighed) do weighed = weighed + 1 end
    return math.max(limit - current - weighed, 0)
  end
  plan.window = index
  plan.free = free()
  plan.retry = function(cost)
    local room = limit - current - cost
    if room >= 0 then return left - scaled(room, width, previous) end
    -- It passes in the next window, when enough of this one has slid out.
    room = limit - cost
    return left + (current > room and width - scaled(room, width, current) or 0)
  end
  plan.reset = function()
    if current > 0 then return left + width end
    return previous > 0 and left or 0
  end
  plan.save = function()
    put(name, int(index) .. ':' .. int(current) .. ':' .. int(previous) .. ':' .. int(width), left + width)
  end
  plan.take = function(cost)
    current, plan.dirty = current + cost, true
  end
  plan.refund = function(cost, window)
    local back = 0
    if window == index then
      back = math.min(cost, current)
      current = current - back
    elseif window + 1 == index then
      back = math.min(cost, previous)
      previous = previous - back
    end
    if back > 0 then plan.save() end
    plan.free = free()
    return back
  end
  return plan
end
