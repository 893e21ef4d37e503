-- Takes one use of an account (GCRA). Kept equal to `Terms::take` in `rate.rs`.
--
-- KEYS[1]  the account: when it is full, in microseconds of the server's clock; absent if full
-- ARGV[1]  the period in microseconds
-- ARGV[2]  how many uses it allows
-- answer   { allowed (1 or 0), microseconds until the account is full }
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local per, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost = math.ceil(per / limit)

local full_in = math.max((tonumber(redis.call('GET', KEYS[1])) or now) - now, 0)
local after = full_in + cost
if after > cost * limit then
  return { 0, full_in }
end
-- The number is written out: Lua would round one of this size to 14 digits.
redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
return { 1, after }
