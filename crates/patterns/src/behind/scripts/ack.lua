local due, held, waiting, persisted, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local n, claim, claimed_at, window = (#KEYS - 5) / 2, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local are_short = ARGV[4] == '1'
-- Before any write is removed: a sequence must not begin anew.
local before = whole(redis.call('GET', persisted), 0)
local highest = before
for i = 1, n do
  highest = math.max(highest, tonumber(ARGV[3 + 3 * i]))
end
if highest > before then
  redis.call('SET', persisted, int(highest))
end
local members = {}
for i = 1, n do
  members[i] = ARGV[2 + 3 * i]
end
local claims, letters = redis.call('ZMSCORE', held, unpack(members)), redis.call('ZCARD', dead) > 0

-- What the writes begin with. Reading short ones as a whole, many by one command, takes less than one command for each.
local heads = {}
if are_short then
  heads = redis.call('MGET', unpack(KEYS, 6, 5 + n))
else
  for i = 1, n do
    heads[i] = redis.call('GETRANGE', KEYS[5 + i], 0, 16)
  end
end

local answers, done, over = {}, {}, {}
for i = 1, n do
  local write, member, sequence = KEYS[5 + i], members[i], ARGV[3 + 3 * i]
  answers[i] = 0
  -- As a rule it is the same text, too.
  if claims[i] == ARGV[1] or tonumber(claims[i]) == claim then
    local now_there = string.sub(heads[i] or '', 2, 17)
    if now_there == sequence or now_there == '' then
      done[#done + 1], over[#over + 1] = write, member
      answers[i] = 1
    else
      requeue(due, held, waiting, write, member, claimed_at, window, tonumber(ARGV[4 + 3 * i]))
      answers[i] = 2
    end
    if letters then
      redis.call('DEL', KEYS[5 + n + i])
      redis.call('ZREM', dead, member)
    end
  end
end
-- One command for all: calling one from Lua costs more than most of them do.
if #done > 0 then
  redis.call('DEL', unpack(done))
  redis.call('ZREM', held, unpack(over))
  redis.call('ZREM', waiting, unpack(over))
end
return answers
