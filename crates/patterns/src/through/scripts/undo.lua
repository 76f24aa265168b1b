local token = read_lease(redis.call('GET', KEYS[2]))
local undone = 0
if redis.pcall('GET', KEYS[1]) == ARGV[2] then
  undone = redis.call('UNLINK', KEYS[1])
end
if token == ARGV[1] then
  end_lease(KEYS[2])
end
return undone
