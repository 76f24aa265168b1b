local due, held, waiting, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local window, now_ms = tonumber(ARGV[1]), math.floor(now / 1000)
local pending = redis.call('ZCARD', due) + redis.call('ZCARD', held)
local oldest = oldest_of(due, waiting, window)
local ahead = redis.call('ZCOUNT', due, '(' .. int(now_ms + window), '+inf')
return {now_ms, pending, oldest or -1, ahead, redis.call('ZCARD', dead), redis.call('ZCOUNT', dead, ARGV[2], '+inf')}
