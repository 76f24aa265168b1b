-- To be called after a member with a life of `longest` milliseconds was entered: covers it with the index's own TTL,
-- which only ever rises, and removes up to `trim` members that are over. The TTL is set one grace longer than it must be,
-- so that most writes find it long enough. (PEXPIRE GT would not do: it takes a missing TTL for an endless one.)
local function keep(index, longest, trim)
  if redis.call('PTTL', index) < longest + 60000 then
    redis.call('PEXPIRE', index, longest + 120000)
  end
  if trim > 0 then
    local over = redis.call('ZRANGE', index, '-inf', math.floor(now / 1000) - 60000, 'BYSCORE', 'LIMIT', 0, trim)
    if #over > 0 then
      redis.call('ZREM', index, unpack(over))
    end
  end
end

