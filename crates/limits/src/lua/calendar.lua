-- A window of the calendar: the server's time picks the counter from a few that follow each other. A limit that is stored for
-- the subject takes the place of the given one.
algorithms.calendar = function()
  local limit, extra, count = arg(), arg(), arg()
  limit = limited(redis.call('GET', key())) or limit
  local plan = { limit = limit }
  local name, ends = nil, nil
  for _ = 1, count do
    local candidate, from, to = key(), arg(), arg()
    if from <= now and now < to then name, ends = candidate, to end
  end
  if not name then return nil end
  local used = counted(redis.call('GET', name))
  plan.window = ends
  plan.free = math.max(limit - used, 0)
  plan.retry = function() return ends - now end
  plan.reset = function() return ends - now end
  local function add(amount)
    redis.call('INCRBY', name, int(amount))
    redis.call('PEXPIRE', name, int(math.ceil((ends - now) / 1000) + extra))
  end
  local taken = 0
  plan.save = function() add(taken) end
  plan.take = function(cost) taken, plan.dirty = taken + cost, true end
  plan.refund = function(cost, window)
    local back = window == ends and math.min(cost, used) or 0
    if back > 0 then add(-back) end
    plan.free = math.max(limit - used + back, 0)
    return back
  end
  return plan
end
