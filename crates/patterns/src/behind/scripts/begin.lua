local left, given, answers = tonumber(ARGV[1]), false, {}
for i = 1, #KEYS do
  local size = redis.call('STRLEN', KEYS[i])
  if size == 0 then
    answers[i] = false
  elseif given and size > left then
    answers[i] = 0
  else
    local attempts = whole(redis.call('GETRANGE', KEYS[i], 30, 32), 0) + 1
    redis.call('SETRANGE', KEYS[i], 30, string.format('%03.0f', math.min(attempts, 999)))
    answers[i] = redis.call('GET', KEYS[i])
    given, left = true, left - size
  end
end
return answers
