-- Calls of many subjects. The limits are given once, in the arguments up to the number that the first says; the second says how
-- many keys a subject has. Then follow the costs of each subject's calls in their order, after their number. No subject is
-- another's concern: where one's state cannot be read or written, -2 stands in the place of each of its answers.
local last_of_limits, keys_each = tonumber(ARGV[1]), tonumber(ARGV[2])
local next_cost, subjects, unknown = last_of_limits + 1, 0, false
while next_cost <= #ARGV do
  local last, answered = next_cost + tonumber(ARGV[next_cost]), #reply
  next_key, next_arg = subjects * keys_each, 2
  local done = pcall(function()
    local plans = ask('take', last_of_limits)
    unknown = not plans
    if unknown then return end
    for place = next_cost + 1, last do
      local cost = tonumber(ARGV[place])
      decide(plans, 'take', cost, cost)
    end
    write(plans)
  end)
  -- The same windows are named for all, so that nothing has been written yet.
  if unknown then return {-1, now} end
  if not done then
    for place = #reply, answered + 1, -1 do reply[place] = nil end
    for _ = next_cost + 1, last do reply[#reply + 1] = -2 end
  end
  next_cost, subjects = last + 1, subjects + 1
end
return reply
