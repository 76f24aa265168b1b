local held, waiting = KEYS[1], KEYS[2]
local claim, least, now_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), math.floor(now / 1000)
local answers = {}
for i = 1, #KEYS - 2 do
  local write, at = KEYS[2 + i], 4 * i - 1
  local member, sequence, attempts = ARGV[at], ARGV[at + 1], ARGV[at + 3]
  answers[i] = 0
  if is_held(held, member, claim) then
    local now_there = string.sub(redis.call('GETRANGE', write, 0, 16), 2)
    if now_there == '' then
      redis.call('ZREM', held, member)
      redis.call('ZREM', waiting, member)
    else
      local pause = tonumber(ARGV[at + 2])
      if sequence ~= '' and now_there ~= sequence then
        pause = math.max(pause, least)
      elseif attempts ~= '' then
        redis.call('SETRANGE', write, 30, attempts)
      end
      wait_until(held, now_ms + pause, member)
      answers[i] = 1
    end
  end
end
return answers
