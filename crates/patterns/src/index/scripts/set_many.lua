local m, trim, condition = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local n, now_ms = #KEYS - m, math.floor(now / 1000)
local each = #ARGV - 3 == 2 * n
local members, places, ttls, expiries, answers, written, longest = {}, {}, {}, {}, {}, {}, 0
for i = 1, n do
  local key, taken = KEYS[m + i], true
  if condition ~= '' then
    local exists = written[key] or redis.call('EXISTS', key) == 1
    taken = exists ~= (condition == 'NX')
    answers[i] = taken and 1 or 0
  end
  if taken then
    local ttl, next = tonumber(ARGV[3 + n + (each and i or 1)]), #members + 1
    members[next], places[next], ttls[next], expiries[next] = key, i, ttl, now_ms + ttl
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
    redis.call('SET', members[i], ARGV[3 + places[i]], 'PX', ttls[i])
  end
end
if condition == '' then
  return 1
end
return answers
