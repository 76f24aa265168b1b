local n, now_ms = tonumber(ARGV[2]), math.floor(now / 1000)
local each = #ARGV - 2 == 2 * n
local entries, longest = {}, 0
for i = 1, n do
  local ttl = tonumber(ARGV[2 + n + (each and i or 1)])
  entries[2 * i - 1], entries[2 * i] = now_ms + ttl, ARGV[2 + i]
  if ttl > longest then
    longest = ttl
  end
end
enter(KEYS[1], entries, longest, tonumber(ARGV[1]))
return n
