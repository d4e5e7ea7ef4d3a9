-- A server comes in: has Redis been restarted since the last one did, and can what it has now be older than what it had?
--
-- KEYS  1 the run of Redis that was seen last, 2 the life of the data
-- ARGV  1 the run of Redis that this is, 2 whether every write is logged (`1`: it has an append-only file)
local seen = redis.call('GET', KEYS[1])
-- Who switches the log on or off while Redis runs loses nothing by that: the run is the same, and only what is seen of it changes.
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
if seen and seen:match('^%S+') ~= ARGV[1] then
  -- A snapshot that was loaded is of some earlier instant: nobody can tell what came after it, so every topic begins anew.
  local is_logged = seen:sub(-1) == '1' and ARGV[2] == '1'
  if not is_logged then
    redis.call('INCR', KEYS[2])
  end
end
