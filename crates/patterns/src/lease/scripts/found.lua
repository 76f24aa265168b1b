-- What the first n of KEYS hold, which are values, the leases behind them, and where the arguments say that there is one the
-- word of the last clearing by pattern (else ''). With it, where the indices begin.
local function find(n, with_word)
  local after = 2 * n + 1
  local found = redis.call('MGET', unpack(KEYS, 1, with_word and after or 2 * n))
  if with_word then
    return found, found[after] or '', after + 1
  end
  return found, '', after
end

-- Which of the first n of KEYS are of another type, which MGET does not tell from those that do not exist.
local function find_others(n, found)
  local silent = {}
  for i = 1, n do
    if not found[i] then
      silent[#silent + 1] = KEYS[i]
    end
  end
  local others = {}
  if #silent > 0 and redis.call('EXISTS', unpack(silent)) > 0 then
    for i = 1, n do
      others[i] = not found[i] and redis.call('EXISTS', KEYS[i]) == 1
    end
  end
  return others
end

