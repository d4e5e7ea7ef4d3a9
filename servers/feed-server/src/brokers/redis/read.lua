-- From an offset on; from the oldest that is retained when the server knows another epoch.
--
-- ARGV  4 the offset, 5 how many at most, 6 bytes after which no more are read, though two always are: one that the server has
--       and can compare, and one that it lacks
local from = '-'
if epoch == ARGV[2] then
  from = ARGV[4] .. '-0'
end
local entries, size = {}, 0
for index, found in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[5])) do
  entries[index] = found[2][2]
  size = size + #found[2][2]
  if index > 1 and size > tonumber(ARGV[6]) then
    break
  end
end
return {epoch, head, entries}
