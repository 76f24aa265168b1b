local n = tonumber(ARGV[1])
local found, word, first = find(n, ARGV[2] ~= '')
local others = find_others(n, found)
local writes = redis.call('MGET', unpack(KEYS, first, first + n - 1))
first = first + n
local now_ms, life = math.floor(now / 1000), tonumber(ARGV[4])
-- As text: a number takes long to become one, for each member anew.
local stays = int(now_ms + life)
local answers, granted, entries = {now}, {}, {}

-- Whether the lease is somebody's; tells its holder then that somebody waits for it.
local function is_held(i)
  local lease = found[n + i]
  local token, _, _, cleared = read_lease(lease)
  if not token or cleared ~= word then
    return false
  end
  if string.sub(lease, 1, 1) == '0' then
    redis.call('SET', KEYS[n + i], '1' .. string.sub(lease, 2), 'KEEPTTL')
  end
  return true
end

-- Whether the key holds something else than the caller has seen: other bytes, or the same ones written anew, which have more
-- of their life ahead than what the caller saw of it.
local function is_other(i, digest)
  local most = ARGV[4 + 2 * n + i]
  if digest ~= ARGV[4 + n + i] or most == '' then
    return digest ~= ARGV[4 + n + i]
  end
  local ttl = redis.call('PTTL', KEYS[i])
  return ttl < 0 or ttl > tonumber(most)
end

local function grant(i, digest)
  local expiry, next = '', #granted + 1
  if digest ~= '' then
    local ttl = redis.call('PTTL', KEYS[i])
    if ttl >= 0 then
      expiry = int(now_ms + ttl)
    end
  end
  granted[next] = i
  entries[2 * next - 1], entries[2 * next] = stays, ARGV[4 + 3 * n + i]
  found[n + i] = '0' .. ARGV[4 + i] .. ':' .. digest .. ':' .. expiry .. ':' .. word
end

for i = 1, n do
  local current = found[i]
  local digest = current and redis.sha1hex(current) or ''
  if others[i] then
    answers[i + 1] = 0
  elseif current and is_other(i, digest) then
    answers[i + 1] = {current, redis.call('PTTL', KEYS[i])}
  elseif writes[i] then
    answers[i + 1] = {writes[i]}
  elseif is_held(i) then
    answers[i + 1] = {redis.call('PTTL', KEYS[n + i])}
  else
    grant(i, digest)
    answers[i + 1] = current and 1 or 2
  end
end
if #granted > 0 then
  for i = first, #KEYS do
    enter(KEYS[i], entries, life, 0)
  end
  for _, i in ipairs(granted) do
    redis.call('SET', KEYS[n + i], found[n + i], 'PX', ARGV[3])
  end
end
return answers
