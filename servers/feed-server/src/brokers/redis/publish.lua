-- Appends and numbers in one step, trims the history, and tells every server that follows.
--
-- ARGV  4 what was published, 5 notifications retained, 6 bytes retained, 7 the channel of the topic
head = head + 1
local time = redis.call('TIME')
local stamp = time[1] .. string.format('%06d', time[2])
local entry = table.concat({epoch, whole(head), stamp, ARGV[4]}, ' ')
redis.call('XADD', KEYS[2], whole(head) .. '-0', 'entry', entry)
bytes = bytes + #entry
local count = redis.call('XLEN', KEYS[2])
while count > 1 and (count > tonumber(ARGV[5]) or bytes > tonumber(ARGV[6])) do
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', KEYS[2], oldest[1])
  bytes = bytes - #oldest[2][2]
  count = count - 1
end
redis.call('HSET', KEYS[1], 'head', whole(head), 'bytes', whole(bytes))
redis.call('PUBLISH', ARGV[7], entry)
return {epoch, head, stamp}
