local due, held, waiting = KEYS[1], KEYS[2], KEYS[3]
local claim, claimed_at, window, now_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), math.floor(now / 1000)
local answers = {}
for i = 1, #KEYS - 3 do
  local write, at = KEYS[3 + i], 4 * i
  local member, sequence, attempts = ARGV[at], ARGV[at + 1], ARGV[at + 3]
  answers[i] = 0
  if is_held(held, member, claim) then
    local now_there = string.sub(redis.call('GETRANGE', write, 0, 16), 2)
    if now_there == '' then
      redis.call('ZREM', held, member)
      redis.call('ZREM', waiting, member)
    elseif sequence == '' or now_there == sequence then
      redis.call('ZADD', held, now_ms + tonumber(ARGV[at + 2]), member)
      if attempts ~= '' then
        redis.call('SETRANGE', write, 30, attempts)
      end
      answers[i] = 1
    else
      requeue(due, held, waiting, write, member, claimed_at, window, 0)
      answers[i] = 2
    end
  end
end
return answers
