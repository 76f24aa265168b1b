return {math.floor(now / 1000), redis.call('GETRANGE', KEYS[1], 0, 49), redis.call('GETRANGE', KEYS[2], 0, 49)}
