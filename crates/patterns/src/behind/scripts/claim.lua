local due, held, waiting = KEYS[1], KEYS[2], KEYS[3]
local n, window, now_ms = tonumber(ARGV[1]), tonumber(ARGV[3]), math.floor(now / 1000)
local score, held_until = now_ms + tonumber(ARGV[2]), int(now_ms + tonumber(ARGV[2]))
local members, expired = {}, {}

-- One command for all: calling one from Lua costs more than most of them do.
local function many(command, set, list)
  for first = 1, #list, 2000 do
    redis.call(command, set, unpack(list, first, math.min(first + 1999, #list)))
  end
end
local function hold(found, is_new)
  local holding, since = {}, {}
  -- Many are of one moment, and a number takes long to become text.
  local moment, accepted
  for i = 1, #found, 2 do
    local member = found[i]
    members[#members + 1] = member
    holding[i], holding[i + 1] = held_until, member
    if not is_new then
      -- What waits for another attempt has a fraction.
      if not string.find(found[i + 1], '.', 1, true) then
        expired[#expired + 1] = #members
      end
    else
      if found[i + 1] ~= moment then
        moment = found[i + 1]
        accepted = int(math.min(tonumber(moment) - window, now_ms))
      end
      since[i], since[i + 1] = accepted, member
    end
  end
  many('ZADD', held, holding)
  many('ZADD', waiting, since)
end
local function take(set, from, to, most)
  if most > 0 then
    local found = redis.call('ZRANGE', set, from, to, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
    if set == due and #found > 0 then
      redis.call('ZREMRANGEBYRANK', due, 0, #found / 2 - 1)
    end
    hold(found, set == due)
  end
end
local function take_far(set, beyond, most)
  if most > 0 then
    local from = '(' .. int(beyond)
    local found = redis.call('ZRANGE', set, '+inf', from, 'BYSCORE', 'REV', 'LIMIT', 0, most, 'WITHSCORES')
    if set == due and #found > 0 then
      redis.call('ZREMRANGEBYRANK', due, -#found / 2, -1)
    end
    hold(found, set == due)
  end
end

-- Of a single one, now the one and now the other.
local half = n > 1 and math.ceil(n / 2) or now_ms % 2
take(held, '-inf', int(now_ms), half)
take_far(held, now_ms + tonumber(ARGV[4]), half - #members)
if ARGV[5] == '1' then
  take(due, '-inf', '+inf', n - #members)
else
  take(due, '-inf', int(now_ms), n - #members)
  take_far(due, now_ms + window, n - #members)
end
take(held, '-inf', int(now_ms), n - #members)
local next = -1
for i = 1, 2 do
  local first = tonumber(redis.call('ZRANGE', KEYS[i], '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2])
  if first and (next < 0 or first < next) then
    next = first
  end
end
return {now_ms, score, next, redis.call('ZCARD', KEYS[4]), expired, members}
