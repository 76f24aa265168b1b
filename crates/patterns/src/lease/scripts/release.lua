if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
end_lease(KEYS[1])
return 1
