-- Fixed window. The state is `count:end`, or `endcount` for a count of up to three digits and an end of sixteen: a whole number,
-- which a server keeps in a third less memory.
algorithms.window = function()
  local name, limit, width, aligned = key(), arg(), arg(), arg() == 1
  local plan = { limit = limit }
  local count, ends = nil, nil
  local stored = redis.call('GET', name)
  if stored then
    local c, e = string.match(stored, '^(%d+):(%d+)$')
    if not c and #stored <= 19 and string.find(stored, '^%d+$') then
      c, e = string.sub(stored, 17), string.sub(stored, 1, 16)
      if c == '' then c = nil end
    end
    c, e = whole(c), whole(e)
    if c and e and e > now then
      count, ends = c, e
      if e > now + width then ends, plan.repair = now + width, true end
    end
  end
  local live = count ~= nil
  if not live then
    count, ends = 0, now + width
    if aligned then ends = ends - now % width end
  end
  plan.window = (live or aligned) and ends or 0
  plan.free = math.max(limit - count, 0)
  plan.retry = function() return ends - now end
  plan.reset = function() return (live or aligned) and ends - now or 0 end
  plan.save = function()
    local c, e = int(count), int(ends)
    put(name, #c <= 3 and #e == 16 and e .. c or c .. ':' .. e, ends - now)
  end
  plan.take = function(cost)
    count, live, plan.window, plan.dirty = count + cost, true, ends, true
  end
  plan.refund = function(cost, window)
    if not live or window ~= ends then return 0 end
    local back = math.min(cost, count)
    count = count - back
    plan.free = math.max(limit - count, 0)
    plan.save()
    return back
  end
  return plan
end
