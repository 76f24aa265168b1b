local m = tonumber(ARGV[1])
local existed = redis.call('UNLINK', unpack(KEYS, m + 1))
for i = 1, m do
  redis.call('ZREM', KEYS[i], unpack(ARGV, 2))
end
return existed
