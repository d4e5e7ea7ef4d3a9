-- What follows the offset that the server knows; from the oldest that is retained when it knows another epoch.
--
-- ARGV  4 how many at most
local from = '-'
if epoch == ARGV[2] then
  from = whole(tonumber(ARGV[3]) + 1) .. '-0'
end
local entries = {}
for index, found in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[4])) do
  entries[index] = found[2][2]
end
return {epoch, head, entries}
