local key, lease, word, first = KEYS[1], KEYS[2], '', 3
if ARGV[6] ~= '' then
  word, first = redis.call('GET', KEYS[3]) or '', 4
end
local token, _, _, cleared = read_lease(redis.call('GET', lease))
local current = redis.pcall('GET', key)
local is_ours = token == ARGV[1] and cleared == word and (not current or current == ARGV[2])
if is_ours then
  local life, trim = tonumber(ARGV[3]), tonumber(ARGV[4])
  for i = first, #KEYS do
    enter_one(KEYS[i], ARGV[5], math.floor(now / 1000) + life, life, trim)
  end
  redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
else
  redis.call('UNLINK', key)
end
end_lease(lease)
return is_ours and 1 or 0
