local function argument(text)
  local open, sign, distance = string.match(text, '^(%(?)@now([+-])(%d+)$')
  if sign == '+' then return open .. int(now + tonumber(distance)) end
  if sign == '-' then return open .. int(now - tonumber(distance)) end
  return text
end
