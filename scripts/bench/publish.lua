-- What wrk sends: a notification of 200 bytes to each of 100 topics in turn.
local payload = '"' .. string.rep("x", 198) .. '"'
local headers = { ["Content-Type"] = "application/json" }
local number = 0

function request()
  number = number % 100 + 1
  return wrk.format("POST", "/topics/topic-" .. number, headers, payload)
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests":%d,"failed":%d,"duration_us":%d}\n', summary.requests, failed, summary.duration))
end
