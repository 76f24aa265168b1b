local page = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'BYSCORE', 'LIMIT', 0, ARGV[3], 'WITHSCORES')
if #page == 2 * tonumber(ARGV[3]) then
  page[#page + 1] = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
end
return page
