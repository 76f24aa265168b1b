local slots, n, now_ms = KEYS[1], tonumber(ARGV[1]), math.floor(now / 1000)
local score = now_ms + tonumber(ARGV[2])
local taken, unsure = {}, {}
local function keep(found, are_all)
  for i = 1, #found, 2 do
    taken[#taken + 1] = found[i]
    if are_all or tonumber(found[i + 1]) % 1 ~= 0 then
      unsure[#unsure + 1] = found[i]
    end
    redis.call('ZADD', slots, score, found[i])
  end
end
local is_all = ARGV[4] == '1'
keep(redis.call('ZRANGE', slots, '-inf', is_all and '(inf' or int(now_ms), 'BYSCORE', 'LIMIT', 0, n, 'WITHSCORES'), is_all)
if #taken < n and not is_all then
  local far = '(' .. int(now_ms + tonumber(ARGV[3]))
  keep(redis.call('ZRANGE', slots, '(inf', far, 'BYSCORE', 'REV', 'LIMIT', 0, n - #taken, 'WITHSCORES'), true)
end
local first = redis.call('ZRANGE', slots, '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
return {score, first and math.max(tonumber(first) - now_ms, 0) or -1, taken, unsure}
