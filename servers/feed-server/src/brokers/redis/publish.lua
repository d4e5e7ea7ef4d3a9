-- Appends and numbers in one step, trims the history, and tells every server that follows.
--
-- ARGV  4 what was published, 5 notifications retained, 6 bytes retained, 7 the channel of the topic, 8 its idempotency key, or nothing
local key, digest = ARGV[8], nil
if key ~= '' then
  digest = redis.sha1hex(ARGV[4])
  local known = redis.call('HGET', KEYS[4], key)
  if known then
    local offset, published = known:match('^(%d+) (%x+)$')
    return {epoch, tonumber(offset), published == digest and 'repeated' or 'differs'}
  end
end
head = head + 1
local time = redis.call('TIME')
local stamp = time[1] .. string.format('%06d', time[2])
local entry = table.concat({epoch, whole(head), stamp, ARGV[4]}, ' ')
if digest then
  redis.call('XADD', KEYS[2], whole(head) .. '-0', 'entry', entry, 'key', key)
  redis.call('HSET', KEYS[4], key, whole(head) .. ' ' .. digest)
else
  redis.call('XADD', KEYS[2], whole(head) .. '-0', 'entry', entry)
end
bytes = bytes + #entry
local count = redis.call('XLEN', KEYS[2])
while count > 1 and (count > tonumber(ARGV[5]) or bytes > tonumber(ARGV[6])) do
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', KEYS[2], oldest[1])
  if oldest[2][3] == 'key' then
    redis.call('HDEL', KEYS[4], oldest[2][4])
  end
  bytes = bytes - #oldest[2][2]
  count = count - 1
end
redis.call('HSET', KEYS[1], 'head', whole(head), 'bytes', whole(bytes))
redis.call('PUBLISH', ARGV[7], entry)
return {epoch, head, stamp}
