local slots, n, now_ms = KEYS[1], tonumber(ARGV[1]), math.floor(now / 1000)
local score = now_ms + tonumber(ARGV[2])
local taken = {}
local function keep(found)
  for i = 1, #found do
    taken[#taken + 1] = found[i]
    redis.call('ZADD', slots, score, found[i])
  end
end
keep(redis.call('ZRANGE', slots, '-inf', ARGV[4] == '1' and '(inf' or int(now_ms), 'BYSCORE', 'LIMIT', 0, n))
if #taken < n and ARGV[4] ~= '1' then
  keep(redis.call('ZRANGE', slots, '(inf', '(' .. int(now_ms + tonumber(ARGV[3])), 'BYSCORE', 'REV', 'LIMIT', 0, n - #taken))
end
local first = redis.call('ZRANGE', slots, '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
return {score, first and math.max(tonumber(first) - now_ms, 0) or -1, taken}
