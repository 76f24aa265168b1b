-- Where memory is full a server refuses a script's first write, if that may take up more, and none after it. To drain is what
-- frees some, so a write that may not comes first: none of these keys has a TTL.
redis.call('PERSIST', KEYS[#KEYS])
