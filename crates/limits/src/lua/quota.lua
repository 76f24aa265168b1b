-- Amounts on several windows of the calendar at once. KEYS: the records of reservations (a hash), when their next change is due
-- (a sorted set), then the counters. A record is `state:reserved:charged:window=end,...`, with the states held, expired,
-- committed and dropped. What is held is summed up by window in the same hash.
local op, id, amount, span, overrun = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local records, due = KEYS[1], KEYS[2]
local keep, extra = tonumber(ARGV[6]), tonumber(ARGV[7])
next_key, next_arg = 2, 7
local windows, counters, words = {}, {}, {}
while next_arg < #ARGV do
  next_arg = next_arg + 1
  local window = { word = ARGV[next_arg], most = arg(), own = -1 }
  -- A limit of the subject's own takes the place of the plan's, if the plan says so by an overdraft that is not negative.
  local overdraft = arg()
  if overdraft >= 0 then
    local own = limited(redis.call('GET', key()))
    if own then window.own, window.most = own, own + overdraft end
  end
  words[window.word] = true
  for _ = 1, arg() do
    local counter, from, to = key(), arg(), arg()
    counters[#counters + 1] = { word = window.word, name = counter, from = from, ends = to }
    if from <= now and now < to then window.name, window.ends = counter, to end
  end
  if not window.name then return {-1, now} end
  window.place = window.word .. '=' .. int(window.ends)
  windows[#windows + 1] = window
end
-- The counter of the window that a place names by its end. A plan may have got another time zone since: then it is the one that
-- ends with it, or holds its last moment.
local function counter_of(place)
  local word, ends = string.match(place, '^(%a+)=(%d+)$')
  ends = whole(ends)
  for _, counter in ipairs(counters) do
    if ends and counter.word == word and counter.from < ends and ends <= counter.ends then return counter end
  end
  return nil, words[word] and ends
end
local function add(place, delta)
  local counter = counter_of(place)
  if not counter or delta == 0 then return end
  redis.call('INCRBY', counter.name, int(delta))
  -- What has no end is what is there, and does not go away by itself.
  if counter.ends < 9007199254740991 then
    redis.call('PEXPIRE', counter.name, int(math.ceil(math.max(counter.ends - now, 0) / 1000) + extra))
  end
end
local function hold(place, delta)
  if delta == 0 then return end
  if redis.call('HINCRBY', records, 'h:' .. place, int(delta)) <= 0 then
    redis.call('HDEL', records, 'h:' .. place)
  end
end
local function read(name)
  local text = redis.call('HGET', records, 'r:' .. name)
  if not text then return nil end
  local state, reserved, charged, places = string.match(text, '^(%a):(%d+):(%d+):(.*)$')
  reserved, charged = whole(reserved), whole(charged)
  if not (reserved and charged) then return nil end
  local record = { state = state, reserved = reserved, charged = charged, places = {} }
  for place in string.gmatch(places, '[^,]+') do record.places[#record.places + 1] = place end
  return record
end
-- Without `at` it is due when it was.
local function write(name, record, at)
  local text = record.state .. ':' .. int(record.reserved) .. ':' .. int(record.charged) .. ':' .. table.concat(record.places, ',')
  redis.call('HSET', records, 'r:' .. name, text)
  if at then redis.call('ZADD', due, int(at), name) end
  local life = int(math.ceil(2 * keep / 1000))
  redis.call('PEXPIRE', records, life)
  redis.call('PEXPIRE', due, life)
end
-- What of it is still held: parts of it may be charged already.
local function rest(record)
  if record.state ~= 'h' then return 0 end
  return math.max(record.reserved - record.charged, 0)
end
local function free(record)
  local held = rest(record)
  for _, place in ipairs(record.places) do hold(place, -held) end
end
local function forget(name)
  redis.call('HDEL', records, 'r:' .. name)
  redis.call('ZREM', due, name)
end
-- Frees what was held too long, and forgets what has ended for long, a few at a time; answers whether there may be more.
local function sweep()
  local past = redis.call('ZRANGE', due, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, 32, 'WITHSCORES')
  for i = 1, #past, 2 do
    local name, forgotten = past[i], tonumber(past[i + 1]) + keep
    local record = read(name)
    local was_held = record and record.state == 'h'
    if was_held then free(record) end
    if was_held and forgotten > now then
      record.state = 'x'
      write(name, record, forgotten)
    else
      forget(name)
    end
  end
  return #past == 64
end
-- What all windows hold together.
local function look()
  local held = 0
  for _, window in ipairs(windows) do
    window.held = math.max(whole(redis.call('HGET', records, 'h:' .. window.place)) or 0, 0)
    held = held + window.held
  end
  return held
end
-- Nothing is due later than a whole `keep` from now: the clock went back.
local late = redis.call('ZRANGE', due, '(' .. int(now + keep), '+inf', 'BYSCORE', 'LIMIT', 0, 32)
for _, name in ipairs(late) do redis.call('ZADD', due, int(now + keep), name) end
-- As long as anything is held it may be what is over. Nobody waits for long: the caller comes again where that is very much.
local more, rounds = sweep(), 1
while look() > 0 and more do
  if rounds == 16 then return {-9, now} end
  more, rounds = sweep(), rounds + 1
end
for _, window in ipairs(windows) do window.used = counted(redis.call('GET', window.name)) end
-- Makes room for more reservations by forgetting those that were settled first.
local function forget_settled()
  local forgotten = 0
  for _, name in ipairs(redis.call('ZRANGE', due, '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 10000)) do
    local record = read(name)
    if not record or record.state == 'c' or record.state == 'd' then
      forget(name)
      forgotten = forgotten + 1
      if forgotten == 100 then break end
    end
  end
  return forgotten > 0
end
local function reply(status, number)
  local answer = {status, now, number}
  for _, window in ipairs(windows) do
    answer[#answer + 1] = counted(redis.call('GET', window.name))
    answer[#answer + 1] = whole(redis.call('HGET', records, 'h:' .. window.place)) or 0
    answer[#answer + 1] = window.ends
    -- What it was before, so that the caller knows which threshold this very call went over.
    answer[#answer + 1] = window.used
    answer[#answer + 1] = window.held
    answer[#answer + 1] = window.own
  end
  return answer
end
-- Whether all windows have room for so much more; -3 where a sum would not be exact.
local function room(more)
  local passes = 1
  for _, window in ipairs(windows) do
    local sum = window.used + window.held + more
    if sum > 4503599627370496 then return -3 end
    if window.most >= 0 and sum > window.most then passes = 0 end
  end
  return passes
end
if op == 'usage' then return reply(1, 0) end
if op == 'charge' or op == 'add' then
  local passes = room(amount)
  if passes == -3 or (passes == 0 and op == 'charge') then return reply(passes, amount) end
  for _, window in ipairs(windows) do add(window.place, math.max(amount, -window.used)) end
  return reply(1, amount)
end
local record = read(id)
if op == 'reserve' then
  if record and record.state ~= 'x' then
    return reply(record.state == 'd' and -5 or 2, record.reserved)
  end
  -- Parts that were charged before it expired count for the sum that is told next.
  record = { state = 'h', reserved = amount, charged = record and record.charged or 0, places = {} }
  local passes = room(rest(record))
  if passes ~= 1 then return reply(passes, rest(record)) end
  if redis.call('ZCARD', due) >= 10000 and not forget_settled() then return reply(-6, 0) end
  for index, window in ipairs(windows) do
    record.places[index] = window.place
    hold(window.place, rest(record))
  end
  write(id, record, now + span)
  return reply(1, amount)
end
if not record then return reply(-2, 0) end
if op == 'extend' then
  if record.state ~= 'h' then return reply(0, 0) end
  write(id, record, now + span)
  return reply(1, record.reserved)
end
if op == 'cancel' then
  if record.state == 'c' then return reply(-7, record.charged) end
  if record.state == 'd' then return reply(2, 0) end
  free(record)
  -- The parts that were charged stay so.
  record.state = record.charged > 0 and 'c' or 'd'
  write(id, record, now + keep)
  if record.charged > 0 then return reply(-7, record.charged) end
  return reply(1, 0)
end
if record.state == 'd' then return reply(-5, 0) end
if record.state == 'c' then return reply(2, record.charged) end
local charge = amount
if charge > record.reserved and overrun == 'reject' then return reply(-4, record.reserved) end
if overrun == 'cap' then charge = math.min(charge, record.reserved) end
-- Parts are told by their sum, so that one that comes again, or late, charges nothing.
if op == 'part' and charge <= record.charged then return reply(2, record.charged) end
charge = math.max(charge, record.charged)
local held = rest(record)
local more = charge - record.charged
local unknown = {-8, now}
for _, place in ipairs(record.places) do
  local counter, ends = counter_of(place)
  if ends then unknown[#unknown + 1] = ends end
  local used = counter and counted(redis.call('GET', counter.name)) or 0
  if used + more > 4503599627370496 then return reply(-3, 0) end
end
-- Windows that the caller has not named: it is asked to.
if more > 0 and #unknown > 2 then return unknown end
record.charged = charge
if op == 'commit' then record.state = 'c' end
for _, place in ipairs(record.places) do
  hold(place, rest(record) - held)
  add(place, more)
end
write(id, record, op == 'commit' and now + keep or nil)
return reply(1, charge)
