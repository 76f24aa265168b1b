local due, held, waiting, persisted, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local n, claim, claimed_at, window = (#KEYS - 5) / 2, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- Before any write is removed: a sequence must not begin anew.
local before = whole(redis.call('GET', persisted), 0)
local highest = before
for i = 1, n do
  highest = math.max(highest, tonumber(ARGV[2 + 3 * i]))
end
if highest > before then
  redis.call('SET', persisted, int(highest))
end
local letters, answers = redis.call('ZCARD', dead) > 0, {}
for i = 1, n do
  local write, member, sequence, count = KEYS[5 + i], ARGV[1 + 3 * i], ARGV[2 + 3 * i], tonumber(ARGV[3 + 3 * i])
  answers[i] = 0
  if is_held(held, member, claim) then
    local now_there = string.sub(redis.call('GETRANGE', write, 0, 16), 2)
    if now_there == sequence or now_there == '' then
      redis.call('DEL', write)
      redis.call('ZREM', held, member)
      redis.call('ZREM', waiting, member)
      answers[i] = 1
    else
      requeue(due, held, waiting, write, member, claimed_at, window, count)
      answers[i] = 2
    end
    if letters then
      redis.call('DEL', KEYS[5 + n + i])
      redis.call('ZREM', dead, member)
    end
  end
end
return answers
