-- Reads what all limits of one subject are at, from the arguments up to the number `last`. Nothing is written before all have
-- been asked, but for a block that a clock makes too long. `nil` where none of the windows of the calendar that the caller
-- knows is the present one.
local function ask(op, last)
  local plans = {}
  while next_arg < last do
    next_arg = next_arg + 1
    local make = algorithms[ARGV[next_arg]]
    local penalty, window = arg(), arg()
    local block, blocked = nil, 0
    if penalty > 0 then
      block = key()
      local text = redis.call('GET', block)
      local till, span = string.match(text or '', '^(%d+):(%d+)$')
      till, span = whole(till), whole(span)
      if till and span and till > now then
        blocked = till - now
        -- Longer than it was set for: the clock went back.
        if blocked > span then
          blocked = span
          if op ~= 'peek' then put(block, int(now + span) .. ':' .. int(span), span) end
        end
      end
    end
    local plan = make()
    if not plan then return nil end
    plan.block, plan.penalty, plan.blocked, plan.id = block, penalty, blocked, window
    plans[#plans + 1] = plan
  end
  return plans
end
local reply = {}
-- Decides one call, and adds to the reply: what was taken, then six numbers for each limit.
local function decide(plans, op, cost, need)
  local taken = cost
  if op == 'refund' then
    taken = 0
    for _, plan in ipairs(plans) do
      local back = plan.refund(cost, plan.id)
      taken = math.max(taken, back)
    end
  else
    for _, plan in ipairs(plans) do taken = math.min(taken, plan.blocked > 0 and 0 or plan.free) end
    if taken < need then taken = 0 end
  end
  reply[#reply + 1] = taken
  for _, plan in ipairs(plans) do
    local retry = plan.blocked
    if op == 'refund' then
      retry = 0
    elseif plan.free < need then
      if plan.limit < need then
        retry = -1
      else
        retry = math.max(plan.retry(need), retry)
        if plan.block and plan.blocked == 0 and op ~= 'peek' then
          put(plan.block, int(now + plan.penalty) .. ':' .. int(plan.penalty), plan.penalty)
          plan.blocked, retry = plan.penalty, math.max(retry, plan.penalty)
        end
      end
    end
    if op == 'take' then
      if taken > 0 then
        plan.take(taken)
        plan.free = plan.free - taken
      elseif plan.repair then
        plan.dirty = true
      end
    end
    reply[#reply + 1] = plan.limit
    reply[#reply + 1] = plan.free
    reply[#reply + 1] = retry
    reply[#reply + 1] = plan.reset()
    reply[#reply + 1] = plan.window
    reply[#reply + 1] = plan.blocked
  end
end
local function write(plans)
  for _, plan in ipairs(plans) do
    if plan.dirty then plan.save() end
  end
end
