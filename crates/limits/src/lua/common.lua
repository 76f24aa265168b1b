-- Reads keys and arguments in their order, and numbers out of stored text. Whatever is not written as here counts as absent.
local next_key, next_arg = 0, 1
local function key() next_key = next_key + 1 return KEYS[next_key] end
local function arg() next_arg = next_arg + 1 return tonumber(ARGV[next_arg]) end
local function whole(text)
  if not text or #text > 16 or not string.find(text, '^%d+$') then return nil end
  return math.min(tonumber(text), 9007199254740992)
end
-- A counter that other programs read and may write. Whatever is no whole number is an error before anything is written.
local function counted(text)
  if not text or text == '0' then return 0 end
  if not string.find(text, '^-?[1-9]%d*$') then error({err = 'ERR value is not an integer or out of range'}) end
  return math.max(math.min(tonumber(text), 9007199254740992), 0)
end
-- A limit that is stored for a subject; none where it is no number.
local function limited(text)
  return text and string.find(text, '^%d+$') and math.min(tonumber(text), 4503599627370496) or nil
end
-- Writes what lives until `left` microseconds from now.
local function put(name, text, left)
  redis.call('SET', name, text, 'PX', int(math.max(math.ceil(left / 1000), 1)))
end
-- floor(a * b / c) for a < c <= 2^26, without a product above 2^53.
local function scaled(a, b, c)
  local quotient = math.floor(b / c)
  return a * quotient + math.floor(a * (b - quotient * c) / c)
end
local algorithms = {}
