-- One call of one subject.
local op, cost, need = ARGV[1], arg(), arg()
local plans = ask(op, #ARGV)
if not plans then return {-1, now} end
decide(plans, op, cost, need)
write(plans)
return reply
