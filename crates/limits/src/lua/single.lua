-- One call of one subject. A refund with an id is made once, which the last key remembers for a day.
local op, cost, need = ARGV[1], arg(), arg()
local once, made = op == 'once', false
if once then
  made = redis.call('EXISTS', KEYS[#KEYS]) == 1
  op, cost = made and 'peek' or 'refund', made and 0 or cost
end
local plans = ask(op, #ARGV)
if not plans then return {-1, now} end
decide(plans, op, cost, need)
write(plans)
if once and not made then redis.call('SET', KEYS[#KEYS], '1', 'PX', 86400000) end
return reply
