local n = tonumber(ARGV[1])
local found, word, first = find(n, ARGV[2] ~= '')
local others = find_others(n, found)
local now_ms, trim = math.floor(now / 1000), tonumber(ARGV[3])
local answers, stored, entries, ended, longest = {}, {}, {}, {}, 0
local expiries = {}

-- As text: a number takes long to become one, and many lives are alike.
local function expiry_of(ttl)
  expiries[ttl] = expiries[ttl] or int(now_ms + tonumber(ttl))
  return expiries[ttl]
end

local function is_unchanged(i, seen, expiry, cleared)
  local current = found[i]
  if others[i] or cleared ~= word then
    return false
  elseif current then
    return redis.sha1hex(current) == seen
  end
  return seen == '' or (expiry ~= '' and now_ms >= tonumber(expiry))
end

for i = 1, n do
  local token, seen, expiry, cleared = read_lease(found[n + i])
  answers[i] = 0
  if token == ARGV[3 + i] then
    ended[#ended + 1] = n + i
    if is_unchanged(i, seen, expiry, cleared) then
      local ttl, next = ARGV[3 + 2 * n + i], #stored + 1
      stored[next] = i
      entries[2 * next - 1], entries[2 * next] = expiry_of(ttl), ARGV[3 + 3 * n + i]
      longest = math.max(longest, tonumber(ttl))
      answers[i] = 1
    end
  end
end
if #stored > 0 then
  for i = first, #KEYS do
    enter(KEYS[i], entries, longest, trim)
  end
  for _, i in ipairs(stored) do
    redis.call('SET', KEYS[i], ARGV[3 + n + i], 'PX', ARGV[3 + 2 * n + i])
  end
end
local quiet = {}
for _, at in ipairs(ended) do
  -- Nobody is woken where nobody said that he waits.
  if string.sub(found[at], 1, 1) == '0' then
    quiet[#quiet + 1] = KEYS[at]
  else
    end_lease(KEYS[at])
  end
end
if #quiet > 0 then
  redis.call('DEL', unpack(quiet))
end
return answers
