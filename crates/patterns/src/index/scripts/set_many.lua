local m, trim, condition = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local n, now_ms = (#KEYS - m) / 2, math.floor(now / 1000)
local each = #ARGV - 3 == 3 * n
-- As text: a number takes long to become one, and many lives are alike.
local expiries = {}
local entries, keys, leases, values, ttls, answers, written, longest = {}, {}, {}, {}, {}, {}, {}, 0
for i = 1, n do
  local key, taken = KEYS[m + i], true
  if condition ~= '' then
    local exists = written[key] or redis.call('EXISTS', key) == 1
    taken = exists ~= (condition == 'NX')
    answers[i] = taken and 1 or 0
  end
  if taken then
    local ttl, next = ARGV[3 + 2 * n + (each and i or 1)], #keys + 1
    expiries[ttl] = expiries[ttl] or int(now_ms + tonumber(ttl))
    entries[2 * next - 1], entries[2 * next] = expiries[ttl], ARGV[3 + n + i]
    keys[next], leases[next] = key, KEYS[m + n + i]
    values[next], ttls[next] = ARGV[3 + i], ttl
    written[key] = true
    longest = math.max(longest, tonumber(ttl))
  end
end
if #keys > 0 then
  for i = 1, m do
    enter(KEYS[i], entries, longest, trim)
  end
  for i = 1, #keys do
    redis.call('SET', keys[i], values[i], 'PX', ttls[i])
  end
  if redis.call('EXISTS', unpack(KEYS, m + n + 1)) > 0 then
    for i = 1, #keys do
      end_lease(leases[i])
    end
  end
end
if condition == '' then
  return 1
end
return answers
