local m = tonumber(ARGV[1])
local n = (#KEYS - m) / 2
local existed = redis.call('UNLINK', unpack(KEYS, m + 1, m + n))
for i = 1, m do
  redis.call('ZREM', KEYS[i], unpack(ARGV, 2))
end
end_leases(m + n + 1)
return existed
