local key, lease, write, letter, held, waiting, persisted, dead = unpack(KEYS)
local claim, pause, member, sequence = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local reason, attempts = ARGV[5], ARGV[6]
if not is_held(held, member, claim) then
  return 0
end
local bytes = redis.call('GET', write) or ''
local now_there = string.sub(bytes, 2, 17)
if now_there ~= '' and now_there ~= sequence then
  wait_until(held, math.floor(now / 1000) + pause, member)
  return 2
end
if whole(redis.call('GET', persisted), 0) < whole(sequence, 0) then
  redis.call('SET', persisted, int(whole(sequence, 0)))
end
if reason and bytes ~= '' then
  local head = string.sub(bytes, 1, 30) .. (attempts ~= '' and attempts or string.sub(bytes, 31, 33)) .. string.sub(bytes, 34, 50)
  redis.call('SET', letter, head .. string.format('%04.0f', #reason) .. reason .. string.sub(bytes, 51))
  redis.call('ZADD', dead, math.floor(now / 1000), member)
end
redis.call('DEL', write)
redis.call('ZREM', held, member)
redis.call('ZREM', waiting, member)
redis.call('DEL', key)
end_lease(lease)
return 1
