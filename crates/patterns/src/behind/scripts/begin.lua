-- So much of a value is read before its length is asked for: most are shorter.
local SHORT = 65536
local left, given, answers, after = tonumber(ARGV[1]), false, {}, {}

-- The three digits of one attempt more.
local function one_more(digits)
  after[digits] = after[digits] or string.format('%03.0f', math.min(whole(digits, 0) + 1, 999))
  return after[digits]
end

for i = 1, #KEYS do
  local bytes = redis.call('GETRANGE', KEYS[i], 0, SHORT - 1)
  local size = #bytes < SHORT and #bytes or redis.call('STRLEN', KEYS[i])
  if size == 0 then
    answers[i] = false
  elseif given and size > left then
    answers[i] = 0
  else
    local attempts = one_more(string.sub(bytes, 31, 33))
    redis.call('SETRANGE', KEYS[i], 30, attempts)
    if size == #bytes and size >= 33 then
      answers[i] = string.sub(bytes, 1, 30) .. attempts .. string.sub(bytes, 34)
    else
      answers[i] = redis.call('GET', KEYS[i])
    end
    given, left = true, left - size
  end
end
return answers
