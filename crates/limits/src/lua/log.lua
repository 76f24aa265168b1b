-- Sliding log: a sorted set with one member `before:cost` for each admission, scored by its time. `before` is the sum of all
-- costs before it, so that what is in use needs no summing up. Two more members keep numbers, as negative scores, below all
-- times: `total` is the sum so far, `last` the time of the last admission.
algorithms.log = function()
  local name, limit, width = key(), arg(), arg()
  local plan = { limit = limit, window = 0 }
  local since = math.max(now - width, 0)
  local function entries(from, count)
    local found = redis.call('ZRANGE', name, '(' .. int(from), '+inf', 'BYSCORE', 'LIMIT', 0, int(count), 'WITHSCORES')
    local list = {}
    for i = 1, #found, 2 do
      local before, cost = string.match(found[i], '^(%d+):(%d+)$')
      before, cost = whole(before), whole(cost)
      if before and cost then
        local time = math.min(tonumber(found[i + 1]), now)
        list[#list + 1] = { member = found[i], before = before, cost = cost, time = time }
      end
    end
    return list
  end
  local total = 0 - tonumber(redis.call('ZSCORE', name, 'total') or '0')
  local last = 0 - tonumber(redis.call('ZSCORE', name, 'last') or '0')
  local oldest = entries(since, 1)[1]
  local base = oldest and oldest.before or total
  plan.repair = last > now
  last = math.min(last, now)
  plan.free = math.max(limit - (total - base), 0)
  plan.retry = function(cost)
    local over = total - base + cost - limit
    for _, entry in ipairs(entries(since, over)) do
      if entry.before + entry.cost - base >= over then return entry.time + width - now end
    end
    return width
  end
  plan.reset = function() return oldest and last + width - now or 0 end
  plan.save = function()
    if plan.repair then
      -- The clock went back: what seems to be of the future happened by now.
      for _, entry in ipairs(entries(now, limit)) do redis.call('ZADD', name, int(now), entry.member) end
      plan.repair = false
    end
    redis.call('ZADD', name, int(-total), 'total', int(-last), 'last')
    redis.call('PEXPIRE', name, int(math.ceil(width / 1000)))
  end
  -- Writes at once, because the next caller of a batch may have to read it.
  plan.take = function(cost)
    redis.call('ZREMRANGEBYSCORE', name, '(0', int(since))
    redis.call('ZADD', name, int(now), string.format('%016.0f:%.0f', total, cost))
    total, last, oldest = total + cost, now, true
    plan.save()
  end
  -- Gives back what would have come back first, so that no window ever holds more than the limit.
  plan.refund = function(cost)
    local back = 0
    for _, entry in ipairs(entries(since, cost)) do
      if back == cost then break end
      local part = math.min(entry.cost, cost - back)
      back = back + part
      redis.call('ZREM', name, entry.member)
      if part < entry.cost then
        redis.call('ZADD', name, int(entry.time), string.format('%016.0f:%.0f', entry.before + part, entry.cost - part))
      end
    end
    plan.free = math.max(limit - (total - base - back), 0)
    if back == total - base then oldest = nil end
    return back
  end
  return plan
end
