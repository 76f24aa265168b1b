return redis.call('ZADD', KEYS[1], 'LT', math.floor(now / 1000) + ARGV[2], ARGV[1])
