-- Raises the scores of members, each to its expiry, or where one of them would not rise, all to one more than the higher
-- of what they were and their expiry. redis.call writes a number with 17 digits: milliseconds reach the server exactly.
local function enter(index, members, expiries, longest, trim)
  local entries = {}
  for i = 1, #members do
    entries[2 * i - 1] = expiries[i]
    entries[2 * i] = members[i]
  end
  if redis.call('ZADD', index, 'GT', 'CH', unpack(entries)) < #members then
    local scores = redis.call('ZMSCORE', index, unpack(members))
    for i = 1, #members do
      entries[2 * i - 1] = tonumber(scores[i]) + 1
    end
    redis.call('ZADD', index, unpack(entries))
  end
  keep(index, longest, trim)
end

