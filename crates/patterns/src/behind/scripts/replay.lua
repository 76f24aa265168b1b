local key, lease, write, letter, due, dead = unpack(KEYS)
local member, now_ms = ARGV[1], math.floor(now / 1000)
local bytes = redis.call('GET', letter)
if not bytes then
  redis.call('ZREM', dead, member)
  return 0
end
if redis.call('EXISTS', write) == 1 then
  return 2
end
local behind = 54 + whole(string.sub(bytes, 51, 54), 0)
redis.call('ZADD', due, now_ms, member)
redis.call('SET', write, string.sub(bytes, 1, 17) .. string.format('%013.0f', now_ms) .. '000' .. string.sub(bytes, 34, 50) .. string.sub(bytes, behind + 1))
redis.call('DEL', letter)
redis.call('ZREM', dead, member)
redis.call('DEL', key)
end_lease(lease)
return 1
