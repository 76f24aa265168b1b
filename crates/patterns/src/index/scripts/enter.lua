-- Raises the scores of members, each to its expiry, or where one of them would not rise, all to one more than the higher
-- of what they were and their expiry; `entries` has the expiry and then the name of each. redis.call writes a number with 17
-- digits: milliseconds reach the server exactly.
local function enter(index, entries, longest, trim)
  local n = #entries / 2
  if redis.call('ZADD', index, 'GT', 'CH', unpack(entries)) < n then
    local members, raised = {}, {}
    for i = 1, n do
      members[i] = entries[2 * i]
    end
    local scores = redis.call('ZMSCORE', index, unpack(members))
    for i = 1, n do
      raised[2 * i - 1], raised[2 * i] = tonumber(scores[i]) + 1, members[i]
    end
    redis.call('ZADD', index, unpack(raised))
  end
  keep(index, longest, trim)
end

