local found = redis.call('MGET', unpack(KEYS))
local token, _, _, cleared = read_lease(found[1])
if token ~= ARGV[1] then
  return 0
end
end_lease(KEYS[1])
return (KEYS[2] and cleared ~= (found[2] or '')) and 0 or 1
