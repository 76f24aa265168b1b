-- Ends a lease, and wakes those who wait for it. The channel is named as the lease is, behind the kind. (PUBLISH may fail
-- for want of a permission; they look again by themselves after a while.)
local function end_lease(lease)
  if redis.call('DEL', lease) == 1 then
    redis.pcall('PUBLISH', 'ck:wake:' .. string.sub(lease, 10), '')
  end
end

