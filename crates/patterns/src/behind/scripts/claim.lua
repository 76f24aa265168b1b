local due, held, waiting = KEYS[1], KEYS[2], KEYS[3]
local n, window, now_ms = tonumber(ARGV[1]), tonumber(ARGV[3]), math.floor(now / 1000)
local score = now_ms + tonumber(ARGV[2])
local members = {}

local function take(set, from, to, most, keep)
  if most > 0 then
    local found = redis.call('ZRANGE', set, from, to, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
    for i = 1, #found, 2 do
      keep(found[i], tonumber(found[i + 1]))
    end
  end
end
local function take_far(set, beyond, most, keep)
  if most > 0 then
    local found = redis.call('ZRANGE', set, '+inf', '(' .. int(beyond), 'BYSCORE', 'REV', 'LIMIT', 0, most, 'WITHSCORES')
    for i = 1, #found, 2 do
      keep(found[i], tonumber(found[i + 1]))
    end
  end
end
local function again(member)
  members[#members + 1] = member
  redis.call('ZADD', held, score, member)
end
local function anew(member, at)
  members[#members + 1] = member
  redis.call('ZREM', due, member)
  redis.call('ZADD', held, score, member)
  redis.call('ZADD', waiting, math.min(at - window, now_ms), member)
end

local half = math.ceil(n / 2)
take(held, '-inf', int(now_ms), half, again)
take_far(held, now_ms + tonumber(ARGV[4]), half - #members, again)
if ARGV[5] == '1' then
  take(due, '-inf', '+inf', n - #members, anew)
else
  take(due, '-inf', int(now_ms), n - #members, anew)
  take_far(due, now_ms + window, n - #members, anew)
end
local next = -1
for i = 1, 2 do
  local first = tonumber(redis.call('ZRANGE', KEYS[i], '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2])
  if first and (next < 0 or first < next) then
    next = first
  end
end
return {now_ms, score, next, redis.call('ZCARD', KEYS[4]), members}
