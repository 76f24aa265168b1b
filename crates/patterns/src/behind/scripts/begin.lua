-- So many are read by one command at most, and as many as seem to fit: what is not given is not read, but for the first of
-- those that are larger than all before.
local MOST = 64
local left, answers, largest, is_over = tonumber(ARGV[1]), {}, nil, false

-- An attempt that did not come to its end counts whether or not there is room for another.
for i = 2, #ARGV do
  local write = KEYS[tonumber(ARGV[i])]
  local attempts = redis.call('GETRANGE', write, 30, 32)
  if attempts ~= '' then
    redis.call('SETRANGE', write, 30, string.format('%03.0f', math.min(whole(attempts, 0) + 1, 999)))
  end
end

local first = 1
while first <= #KEYS and not is_over do
  local count = largest and math.max(1, math.min(MOST, math.floor(left / largest))) or 1
  local last = math.min(first + count - 1, #KEYS)
  local found = redis.call('MGET', unpack(KEYS, first, last))
  for i = first, last do
    local bytes = found[i - first + 1]
    if not bytes or bytes == '' then
      answers[i] = false
    elseif is_over or (largest and #bytes > left) then
      answers[i], is_over = 0, true
    else
      answers[i], left, largest = bytes, left - #bytes, math.max(largest or 0, #bytes)
    end
  end
  first = last + 1
end
for i = first, #KEYS do
  answers[i] = 0
end
return answers
