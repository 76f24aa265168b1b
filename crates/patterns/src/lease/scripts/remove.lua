local n = #KEYS / 2
local existed = redis.call('UNLINK', unpack(KEYS, 1, n))
end_leases(n + 1)
return existed
