-- So many are read at once: few enough that large ones do not fill the memory.
local CHUNK = 32
local left, given, answers, expired = tonumber(ARGV[1]), false, {}, {}
for i = 2, #ARGV do
  expired[tonumber(ARGV[i])] = true
end

-- Counts the attempt that did not come to its end.
local function count_one_more(i, bytes)
  local attempts = math.min(whole(string.sub(bytes, 31, 33), 0) + 1, 999)
  redis.call('SETRANGE', KEYS[i], 30, string.format('%03.0f', attempts))
  return redis.call('GET', KEYS[i])
end

for first = 1, #KEYS, CHUNK do
  local last = math.min(first + CHUNK - 1, #KEYS)
  local found = redis.call('MGET', unpack(KEYS, first, last))
  for i = first, last do
    local bytes = found[i - first + 1]
    if not bytes or bytes == '' then
      answers[i] = false
    elseif given and #bytes > left then
      answers[i] = 0
    else
      given, left = true, left - #bytes
      answers[i] = expired[i] and count_one_more(i, bytes) or bytes
    end
  end
end
return answers
