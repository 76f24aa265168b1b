if read_lease(redis.call('GET', KEYS[1])) ~= ARGV[1] then
  return 0
end
end_lease(KEYS[1])
return 1
