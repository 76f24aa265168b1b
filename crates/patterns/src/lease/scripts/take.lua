local key, lease = KEYS[1], KEYS[2]
local current = redis.pcall('GET', key)
if type(current) == 'table' then
  return {now, 3}
end
local digest = current and redis.sha1hex(current) or ''
if current and digest ~= ARGV[3] then
  return {now, 0, current, redis.call('PTTL', key)}
end
local cleared, first = '', 3
if ARGV[6] then
  cleared, first = redis.call('GET', KEYS[3]) or '', 4
end
local left = redis.call('PTTL', lease)
if left ~= -2 and (redis.call('HGET', lease, 'cleared') or '') == cleared then
  return {now, 1, left}
end
local now_ms, life, expiry = math.floor(now / 1000), tonumber(ARGV[4]), ''
if current then
  local ttl = redis.call('PTTL', key)
  if ttl >= 0 then
    expiry = int(now_ms + ttl)
  end
end
for i = first, #KEYS do
  enter_one(KEYS[i], ARGV[5], now_ms + life, life, 0)
end
redis.call('HSET', lease, 'token', ARGV[1], 'seen', digest, 'expiry', expiry, 'cleared', cleared)
redis.call('PEXPIRE', lease, ARGV[2])
return {now, 2}
