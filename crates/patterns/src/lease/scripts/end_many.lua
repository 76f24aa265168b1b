-- Ends the leases among KEYS from `first` on, of which there are few as a rule.
local function end_leases(first)
  if first <= #KEYS and redis.call('EXISTS', unpack(KEYS, first)) > 0 then
    for i = first, #KEYS do
      end_lease(KEYS[i])
    end
  end
end

