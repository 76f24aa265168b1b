local slots, claim, now_ms = KEYS[1], tonumber(ARGV[1]), math.floor(now / 1000)
for i = 2, #ARGV, 2 do
  local slot, delay = ARGV[i], ARGV[i + 1]
  if tonumber(redis.call('ZSCORE', slots, slot)) == claim then
    if delay == '' then
      redis.call('ZREM', slots, slot)
    elseif delay == 'inf' then
      redis.call('ZADD', slots, 'inf', slot)
    else
      redis.call('ZADD', slots, now_ms + tonumber(delay), slot)
    end
  end
end
return 1
