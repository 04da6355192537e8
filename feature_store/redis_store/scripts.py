"""What Redis does for one batch, in one step: compare, write, remove.

The first key is a flag that stands while a transaction runs in which something was found
otherwise: what follows in it then writes nothing. (WATCH takes a time that is quadratic in keys.)
"""

# Which keys do not have these values in these fields. Arguments: how many fields, their names, and
# the values of each key; "" = there is none.
COMPARE = """
local fields, others = tonumber(ARGV[1]), {}
local names = {unpack(ARGV, 2, fields + 1)}
for place = 2, #KEYS do
  local stored = redis.call('HMGET', KEYS[place], unpack(names))
  for field = 1, fields do
    if (stored[field] or '') ~= ARGV[1 + (place - 1) * fields + field] then
      others[#others + 1] = place - 2
      break
    end
  end
end
if #others > 0 then redis.call('SET', KEYS[1], '', 'EX', 60) end
return others
"""
# Arguments: for each key how many follow, and then field, value, field, value, ...
WRITE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return end
local at = 1
for place = 2, #KEYS do
  local count = tonumber(ARGV[at])
  redis.call('HSET', KEYS[place], unpack(ARGV, at + 1, at + count))
  at = at + 1 + count
end
"""
# Arguments: the fields that go; a hash without fields is none any more.
REMOVE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return end
for place = 2, #KEYS do redis.call('HDEL', KEYS[place], unpack(ARGV)) end
"""
