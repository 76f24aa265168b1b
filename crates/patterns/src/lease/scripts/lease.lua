-- What a lease says: its holder's token, the digest of what the key held and when that was to expire, and the word of the
-- last clearing by pattern. Nothing where it is no lease.
local function read_lease(lease)
  return string.match(lease or '', '^%d([^:]*):(%x*):(%d*):(.*)$')
end

