-- Sends prepared requests in turn. Files carry them, and the results: bodies may hold any byte.
local folder = os.getenv("BENCH_WRK_FOLDER")
local requests = {}

num_made = 0 -- global: `done` reads it from the thread

function setup(thread)
  sender = thread
end

function init(args)
  for i = 1, tonumber(os.getenv("BENCH_WRK_NUM_REQUESTS")) do
    local file = assert(io.open(folder .. "/request-" .. i, "rb"))
    requests[i] = file:read("*a")
    file:close()
  end
end

function request()
  num_made = num_made + 1
  return requests[(num_made - 1) % #requests + 1]
end

-- latency(i) of the scripting interface searches from the start each time, which takes minutes after a stall.
-- These are the fields of struct stats in wrk 4; the reader of the file checks that the counts add up.
local function write_histogram(latency)
  local ffi = require("ffi")
  ffi.cdef("typedef struct { uint64_t count, limit, min, max, data[1]; } wrk_stats;")
  local stats = ffi.cast("wrk_stats **", latency)[0]
  local file = assert(io.open(folder .. "/histogram", "w"))
  for us = latency.min, latency.max do
    if stats.data[us] > 0 then
      file:write(string.format("%d %d\n", us, tonumber(stats.data[us])))
    end
  end
  file:close()
end

function done(summary, latency)
  write_histogram(latency)
  local errors = summary.errors
  local file = assert(io.open(folder .. "/summary.json", "w"))
  file:write(string.format(
    '{"duration_us": %d, "num_answers": %d, "num_made": %d, "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}',
    summary.duration, summary.requests, sender:get("num_made"),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
  file:close()
end
