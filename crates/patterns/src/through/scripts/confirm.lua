local key, first = KEYS[1], ARGV[5] ~= '' and 4 or 3
if redis.pcall('GET', key) ~= ARGV[1] then
  return 0
end
local life, trim = tonumber(ARGV[2]), tonumber(ARGV[3])
for i = first, #KEYS do
  enter_one(KEYS[i], ARGV[4], math.floor(now / 1000) + life, life, trim)
end
return redis.call('PEXPIRE', key, ARGV[2])
