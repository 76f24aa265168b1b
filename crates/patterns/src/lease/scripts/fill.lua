local key, lease = KEYS[1], KEYS[2]
local held = redis.call('HMGET', lease, 'token', 'seen', 'expiry', 'cleared')
if held[1] ~= ARGV[1] then
  return 0
end
local cleared, first = '', 3
if ARGV[6] then
  cleared, first = redis.call('GET', KEYS[3]) or '', 4
end
local current = redis.pcall('GET', key)
local unchanged = false
if (held[4] or '') ~= cleared then
  unchanged = false
elseif type(current) == 'string' then
  unchanged = redis.sha1hex(current) == held[2]
elseif not current then
  unchanged = held[2] == '' or (held[3] ~= '' and math.floor(now / 1000) >= tonumber(held[3]))
end
if unchanged then
  local ttl, trim = tonumber(ARGV[3]), tonumber(ARGV[4])
  local expiry = math.floor(now / 1000) + ttl
  for i = first, #KEYS do
    enter_one(KEYS[i], ARGV[5], expiry, ttl, trim)
  end
  redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
end
end_lease(lease)
return unchanged and 1 or 0
