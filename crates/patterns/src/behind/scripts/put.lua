local due, held, waiting, persisted, dead = unpack(KEYS, 1, 5)
local n, trim, window, bound = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local most, tag, claim, now_ms = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), math.floor(now / 1000)
local writes, asked, heads = {}, {persisted}, {}
for i = 1, n do
  writes[i], asked[i + 1] = KEYS[5 + 3 * i], KEYS[4 + 3 * i]
end
local looked = redis.call('MGET', unpack(asked))
-- As a rule none of many is there.
if n == 1 or redis.call('EXISTS', unpack(writes)) > 0 then
  for i = 1, n do
    heads[writes[i]] = redis.call('GETRANGE', writes[i], 0, 49)
  end
end
local fresh, last, age = redis.call('ZCARD', due), whole(looked[1], 0), nil
local holds = bound == 0 and 0 or fresh + redis.call('ZCARD', held) + redis.call('ZCARD', dead)
local due_at, held_until, accepted_at = int(now_ms + window), int(now_ms + claim), int(now_ms)
local dues, claims, waits, entries, longest = {}, {}, {}, {}, 0

local function push(list, score, member)
  list[#list + 1] = score
  list[#list + 1] = member
end

-- Whether there is room for one key more; else what the answer says.
local function refusal()
  if bound ~= 0 and holds >= bound then
    return 0, holds
  end
  if most > 0 then
    age = age or now_ms - (oldest_of(due, waiting, window) or now_ms)
    if age > most then
      return 2, age
    end
  end
end

-- Decides about an item, and notes what is to be entered for it.
local function accept(i)
  local write, op, member = writes[i], ARGV[4 + 4 * i], ARGV[7 + 4 * i]
  local head, sequence, first, count, place = heads[write] or '', now, now_ms, 1, 0
  if head ~= '' then
    if string.sub(head, 43, 50) ~= tag then
      return 3, 0, 0
    end
    sequence = math.max(now, tonumber(string.sub(head, 2, 17)) + 1)
    first = tonumber(string.sub(head, 18, 30))
    count = math.min(tonumber(string.sub(head, 35, 42)) + 1, 99999999)
  else
    local why, number = refusal()
    if why then
      return why, number, 0
    end
    sequence, holds = math.max(now, last + 1), holds + 1
    if claim > 0 then
      push(claims, held_until, member)
      push(waits, accepted_at, member)
      place = 2
    else
      push(dues, due_at, member)
      place, fresh = fresh == 0 and 1 or 0, fresh + 1
    end
  end
  heads[write] = '1' .. string.format('%016.0f%013.0f', sequence, first) .. '000' .. op
    .. string.format('%08.0f', count) .. tag
  if op == 'P' then
    local ttl = tonumber(ARGV[6 + 4 * i])
    push(entries, int(now_ms + ttl), member)
    longest = math.max(longest, ttl)
  end
  return 1, sequence, place
end

local answers, values = {now_ms}, {}
for i = 1, n do
  local at = 3 * i - 1
  answers[at], answers[at + 1], answers[at + 2] = accept(i)
  values[i] = answers[at] == 1 and heads[writes[i]]
end
if #entries > 0 then
  for i = 6 + 3 * n, #KEYS do
    enter(KEYS[i], entries, longest, trim)
  end
end
for set, list in pairs({[due] = dues, [held] = claims, [waiting] = waits}) do
  if #list > 0 then
    redis.call('ZADD', set, unpack(list))
  end
end
for i = 1, n do
  local key, at = KEYS[3 + 3 * i], 4 + 4 * i
  if values[i] and ARGV[at] == 'P' then
    redis.call('SET', writes[i], values[i] .. ARGV[at + 1])
    redis.call('SET', key, ARGV[at + 1], 'PX', ARGV[at + 2])
  elseif values[i] then
    redis.call('SET', writes[i], values[i])
    redis.call('DEL', key)
  end
  if values[i] and looked[i + 1] then
    end_lease(asked[i + 1])
  end
end
return answers
