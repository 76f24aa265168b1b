-- Leases in a sorted set: one member `id/number` for each permit, scored by when it ends.
local op, max, span, id, permits = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local name = KEYS[1]
local function held() return redis.call('ZCOUNT', name, '(' .. int(now), '+inf') end
local function mine(number) return id .. '/' .. int(number) end
-- Writes a lease of ours; the key lives as long as the last lease may.
local function lease(condition, first, last)
  for number = first, last do
    if condition then
      redis.call('ZADD', name, condition, int(now + span), mine(number))
    else
      redis.call('ZADD', name, int(now + span), mine(number))
    end
  end
  redis.call('PEXPIRE', name, int(math.ceil(span / 1000)))
end
local function live(number)
  local ends = redis.call('ZSCORE', name, mine(number))
  return ends and tonumber(ends) > now
end
-- With the wait until so many leases have ended that there is room for what was asked for.
local function reply(answer)
  local free = max - held()
  local before = math.max(permits - free, 1) - 1
  local last = redis.call('ZRANGE', name, '(' .. int(now), '+inf', 'BYSCORE', 'LIMIT', int(before), 1, 'WITHSCORES')
  local wait = last[2] and math.min(tonumber(last[2]) - now, span) or 0
  return {answer, free, wait}
end
if op == 'peek' then return reply(0) end
if op == 'release' then
  local released = 0
  for number = 1, permits do
    if live(number) then released = released + 1 end
    redis.call('ZREM', name, mine(number))
  end
  return reply(released)
end
if op == 'renew' then
  for number = 1, permits do
    if not live(number) then return reply(0) end
  end
  lease('XX', 1, permits)
  return reply(permits)
end
redis.call('ZREMRANGEBYSCORE', name, '-inf', int(now))
-- No lease lasts longer than a whole span from now: the clock went back.
local late = redis.call('ZRANGE', name, '(' .. int(now + span), '+inf', 'BYSCORE', 'LIMIT', 0, int(max))
for _, member in ipairs(late) do redis.call('ZADD', name, int(now + span), member) end
if live(1) then return reply(permits) end
if held() + permits > max then return reply(0) end
lease(nil, 1, permits)
return reply(permits)
