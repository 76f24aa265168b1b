local key, write, due, held = KEYS[1], KEYS[3], KEYS[4], KEYS[5]
local op, value, ttl, member, window = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5], tonumber(ARGV[6])
local claim, now_ms = tonumber(ARGV[10]), math.floor(now / 1000)
local head = redis.call('GETRANGE', write, 0, 49)
local persisted, lease = unpack(redis.call('MGET', KEYS[7], KEYS[2]))
local sequence, first, count, was_empty = now, now_ms, 1, 0
if head ~= '' then
  if string.sub(head, 43, 50) ~= ARGV[9] then
    return {3}
  end
  sequence = math.max(now, tonumber(string.sub(head, 2, 17)) + 1)
  first = tonumber(string.sub(head, 18, 30))
  count = math.min(tonumber(string.sub(head, 35, 42)) + 1, 99999999)
else
  local bound, most, fresh = tonumber(ARGV[7]), tonumber(ARGV[8]), redis.call('ZCARD', due)
  if bound ~= 0 then
    local holds = fresh + redis.call('ZCARD', held) + redis.call('ZCARD', KEYS[8])
    if holds >= bound then
      return {0, holds}
    end
  end
  if most > 0 then
    local age = now_ms - (oldest_of(due, KEYS[6], window) or now_ms)
    if age > most then
      return {2, age}
    end
  end
  sequence = math.max(now, whole(persisted, 0) + 1)
  if claim > 0 then
    redis.call('ZADD', held, now_ms + claim, member)
    redis.call('ZADD', KEYS[6], now_ms, member)
    was_empty = 2
  else
    redis.call('ZADD', due, now_ms + window, member)
    was_empty = fresh == 0 and 1 or 0
  end
end
head = '1' .. string.format('%016.0f%013.0f', sequence, first) .. '000' .. op .. string.format('%08.0f', count) .. ARGV[9]
if op == 'P' then
  local expiry, trim = now_ms + ttl, tonumber(ARGV[4])
  for i = 9, #KEYS do
    enter_one(KEYS[i], member, expiry, ttl, trim)
  end
  redis.call('SET', write, head .. value)
  redis.call('SET', key, value, 'PX', ARGV[3])
else
  redis.call('SET', write, head)
  redis.call('DEL', key)
end
if lease then
  end_lease(KEYS[2])
end
return {1, sequence, was_empty, now_ms}
