local key, lease, word, first = KEYS[1], KEYS[2], '', 3
if ARGV[5] ~= '' then
  word, first = redis.call('GET', KEYS[3]) or '', 4
end
local life = tonumber(ARGV[3])
for i = first, #KEYS do
  enter_one(KEYS[i], ARGV[4], math.floor(now / 1000) + life, life, 0)
end
if ARGV[6] then
  redis.call('SET', key, ARGV[6], 'PX', ARGV[7])
else
  redis.call('UNLINK', key)
end
redis.call('SET', lease, '1' .. ARGV[1] .. ':::' .. word, 'PX', ARGV[2])
return 1
