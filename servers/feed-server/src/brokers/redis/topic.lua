-- What Redis knows of a topic, before anything is done to it. A topic that is new, or whose history was lost, begins another
-- epoch here: in the same step as whatever follows, so that no two servers ever make one each.
--
-- KEYS  1 the topic (hash), 2 its log (stream, whose ids are offset-0), 3 the life of the data, 4 the idempotency keys of what is
--       retained (hash: offset and digest of what was published)
-- ARGV  1 an epoch to take if one is needed, 2 the epoch that the server knows, 3 the newest offset that it knows of that epoch;
--       larger than any offset when the server has seen two notifications under one
local life = redis.call('GET', KEYS[3]) or '0'
local topic = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'bytes', 'life')
local epoch, head, bytes = topic[1], tonumber(topic[2]), tonumber(topic[3])
-- Behind what a server has seen of the same epoch: an old copy of the data came back, and its next offsets would be new
-- notifications under old numbers.
local went_back = epoch == ARGV[2] and head < tonumber(ARGV[3])
if not epoch or topic[4] ~= life or went_back then
  epoch, head, bytes = ARGV[1], 0, 0
  -- The first write decides whether memory allows it (`maxmemory`): one that asks for some, before the one that gives some back.
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'head', 0, 'bytes', 0, 'life', life)
  redis.call('DEL', KEYS[2], KEYS[4])
end
-- Whole numbers as text: Lua would write large ones as 1e+15.
local function whole(number)
  return string.format('%.0f', number)
end
