-- ARGV holds steps: a command, the number of its key, the number of its arguments, the arguments.
-- A command that begins with `?` may fail. Answers what each step answers.
local replies = {}
local at = 1
while at <= #ARGV do
  local name, key, count = ARGV[at], KEYS[tonumber(ARGV[at + 1])], tonumber(ARGV[at + 2])
  local args = {}
  for i = 1, count do args[i] = argument(ARGV[at + 2 + i]) end
  at = at + 3 + count
  local call = redis.call
  if string.sub(name, 1, 1) == '?' then
    name = string.sub(name, 2)
    call = redis.pcall
  end
  local reply
  if name == 'PUBLISH' then
    redis.pcall('PUBLISH', args[1], args[2])
    reply = 0
  else
    reply = call(name, key, unpack(args))
    if type(reply) == 'table' and reply.err then
      reply = 'error'
    elseif name == 'INCRBY' then
      -- As text: numbers above 2^53 do not survive Lua.
      reply = redis.call('GET', key)
    elseif name == 'HINCRBY' then
      reply = redis.call('HGET', key, args[1])
    end
  end
  replies[#replies + 1] = reply
end
return replies
