local key, member, ttl, trim = KEYS[1], ARGV[5], tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[4] ~= '' and (redis.call('EXISTS', key) == 1) == (ARGV[4] == 'NX') then
  return 0
end
local expiry = math.floor(now / 1000) + ttl
for i = 3, #KEYS do
  enter_one(KEYS[i], member, expiry, ttl, trim)
end
redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
end_lease(KEYS[2])
return 1
