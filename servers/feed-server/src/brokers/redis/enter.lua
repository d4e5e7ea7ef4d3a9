-- A server comes in: is this another Redis than the last one did, and can what it has now be older than what that one had?
--
-- KEYS  1 the run of Redis that was seen last, 2 the life of the data
-- ARGV  1 the run of Redis that this is, 2 whether every write is logged (`1`: it has an append-only file), 3 the id of its history
--       (master_replid), 4 the id of the history that it continues (master_replid2), 5 whether it surely ran while the last one did (`1`)
local seen = redis.call('GET', KEYS[1])
-- Who switches the log on or off while Redis runs loses nothing by that: the run is the same, and only what is seen of it changes.
-- Whether it is logged comes last, where servers that know no history look for it.
redis.call('SET', KEYS[1], table.concat({ARGV[1], ARGV[3], ARGV[2]}, ' '))
if seen and seen:match('^%S+') ~= ARGV[1] then
  -- A replica that was promoted: it had copied the one seen last until that was lost. A snapshot that was loaded continues a history
  -- as well, but of some earlier instant: nobody can tell what came after it, so every topic begins anew.
  local history = seen:match('^%S+ (%S+) %S+$')
  local is_promoted = history == ARGV[4] and ARGV[5] == '1'
  local is_logged = seen:sub(-1) == '1' and ARGV[2] == '1'
  if not is_promoted and not is_logged then
    redis.call('INCR', KEYS[2])
  end
end
