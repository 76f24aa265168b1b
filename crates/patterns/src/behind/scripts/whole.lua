-- The number that some digits are, or another one where they are none.
local function whole(digits, otherwise)
  if digits and #digits <= 16 and string.match(digits, '^%d+$') then
    return tonumber(digits)
  end
  return otherwise
end
