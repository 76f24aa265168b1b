local m, trim, condition = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local n, now_ms = (#KEYS - m) / 2, math.floor(now / 1000)
local each = #ARGV - 3 == 3 * n
local members, keys, leases, values, ttls, expiries, answers, written, longest = {}, {}, {}, {}, {}, {}, {}, {}, 0
for i = 1, n do
  local key, taken = KEYS[m + i], true
  if condition ~= '' then
    local exists = written[key] or redis.call('EXISTS', key) == 1
    taken = exists ~= (condition == 'NX')
    answers[i] = taken and 1 or 0
  end
  if taken then
    local ttl, next = tonumber(ARGV[3 + 2 * n + (each and i or 1)]), #members + 1
    members[next], keys[next], values[next] = ARGV[3 + n + i], key, ARGV[3 + i]
    leases[next] = KEYS[m + n + i]
    ttls[next], expiries[next] = ttl, now_ms + ttl
    written[key] = true
    if ttl > longest then
      longest = ttl
    end
  end
end
if #members > 0 then
  for i = 1, m do
    enter(KEYS[i], members, expiries, longest, trim)
  end
  for i = 1, #members do
    redis.call('SET', keys[i], values[i], 'PX', ttls[i])
  end
  if redis.call('EXISTS', unpack(KEYS, m + n + 1)) > 0 then
    for i = 1, #members do
      end_lease(leases[i])
    end
  end
end
if condition == '' then
  return 1
end
return answers
