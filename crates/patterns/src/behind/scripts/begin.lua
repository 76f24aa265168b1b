local left, given, answers = tonumber(ARGV[1]), false, {}
for i = 1, #KEYS do
  local size = redis.call('STRLEN', KEYS[i])
  if size == 0 then
    answers[i] = false
  elseif given and size > left then
    answers[i] = 0
  else
    local bytes = redis.call('GET', KEYS[i])
    local attempts = string.format('%03.0f', math.min(whole(string.sub(bytes, 31, 33), 0) + 1, 999))
    redis.call('SETRANGE', KEYS[i], 30, attempts)
    answers[i] = size < 33 and redis.call('GET', KEYS[i]) or string.sub(bytes, 1, 30) .. attempts .. string.sub(bytes, 34)
    given, left = true, left - size
  end
end
return answers
