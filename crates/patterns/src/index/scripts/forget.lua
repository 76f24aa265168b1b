local n, gone = #ARGV / 2, {}
local scores = redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 1, n))
for i = 1, n do
  if scores[i] and tonumber(scores[i]) == tonumber(ARGV[n + i]) then
    gone[#gone + 1] = ARGV[i]
  end
end
if #gone == 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], unpack(gone))
