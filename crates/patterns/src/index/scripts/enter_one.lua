-- Raises the score of a member to its expiry, or where it would not rise by one.
local function enter_one(index, member, expiry, life, trim)
  if redis.call('ZADD', index, 'GT', 'CH', expiry, member) == 0 then
    redis.call('ZINCRBY', index, 1, member)
  end
  keep(index, life, trim)
end

