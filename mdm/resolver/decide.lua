-- What dnsdist does with a question: finds the plan of its address in the index, and decides by the stores of that plan.
-- The order is that of `profiles/filters/rules.py`; a test compares both with a thousand random names.
--
-- Given by the configuration before this file is read: FOLDER, SAFE_NAMES, BLOCKED_ADDRESS, COUNT_SECONDS.

local DOH_PATH = "/f/"
local MAX_TTL = 10 -- seconds until a tablet asks again: what is closed now is closed for it then

local index = newCDBKVStore(FOLDER .. "/index.cdb", 1)
local stores = setmetatable({}, { __mode = "v" }) -- a store that no plan uses any more is closed
local plans = {}

local function open_store(name)
  local store = stores[name]
  if store == nil then
    store = newCDBKVStore(FOLDER .. "/stores/" .. name .. ".cdb", 0)
    stores[name] = store
  end
  return store
end

local function open_categories(text)
  local opened = {}
  for category, store in (text or ""):gmatch("([^:,]+):([^,]+)") do
    opened[#opened + 1] = { name = category, store = open_store(store) }
  end
  return opened
end

-- Returns the plan of a line of the index. An unreadable store is an error, and the question is answered by SERVFAIL: nothing opens.
local function read_plan(line)
  local fields = {}
  for name, value in line:gmatch("(%w+)=(%S+)") do
    fields[name] = value
  end
  return {
    names = open_store(fields.names),
    floor = open_categories(fields.floor),
    others = open_categories(fields.others),
    rescuing = fields.rescuing and open_store(fields.rescuing),
    lesson = fields.lesson ~= nil,
    guardian = fields.guardian ~= nil,
    only = fields.only ~= nil,
    search = fields.search ~= nil,
    video = fields.video,
    counted_for = fields.count,
    used = os.time(),
  }
end

-- Only names of two labels and more are listed: nobody closes a whole top-level domain by mistake.
local function find_category(categories, name)
  for position = 1, #categories do
    if categories[position].store:lookupSuffix(name, 2, false) ~= "" then
      return categories[position].name
    end
  end
  return nil
end

-- Returns whether a name is closed, and the category that closes it, where it is one.
local function is_closed(plan, name)
  local marks = plan.names:lookupSuffix(name, 2, false)
  if marks:find("B", 1, true) then return true end
  if marks:find("A", 1, true) then return false end
  local is_rescued = plan.rescuing and plan.rescuing:lookupSuffix(name, 2, false) ~= ""
  local category = not is_rescued and find_category(plan.floor, name)
  if category then return true, category end
  if marks:find("O", 1, true) then return false end
  if marks:find("D", 1, true) then return true end
  if plan.lesson and not marks:find("L", 1, true) then return true end
  if plan.guardian and not marks:find("G", 1, true) then return true end
  if marks:find("P", 1, true) then return false end
  category = not is_rescued and find_category(plan.others, name)
  if category then return true, category end
  return plan.only
end

-- Returns the group of servers that answers an open name: one that gives search engines and video their safe names, or the usual one.
local function choose_pool(plan, name)
  if plan.search or plan.video then
    local kind = SAFE_NAMES[name:toString():lower()]
    if kind == "search" and plan.search then return "safe_search" end
    if kind == "video" and plan.video then return "video_" .. plan.video end
  end
  return ""
end

-- How many questions each category has closed, by town and category, where the town asks for it. No name, no address, no time.
local counts = {}

local function count(town, category)
  local key = town .. " " .. category
  counts[key] = (counts[key] or 0) + 1
end

-- Hands the counts over: the process that supervises takes the file away when it has stored them. Until then they go on here.
local function hand_over_counts()
  if next(counts) == nil then return end
  local path = FOLDER .. "/counts"
  local present = io.open(path, "r")
  if present ~= nil then
    present:close()
    return
  end
  local file = io.open(path .. ".partial", "w")
  if file == nil then return end
  for key, number in pairs(counts) do
    file:write(key, " ", number, "\n")
  end
  file:close()
  if os.rename(path .. ".partial", path) then counts = {} end
end

function decide(question)
  local path = question:getHTTPPath()
  local line = path:sub(1, #DOH_PATH) == DOH_PATH and index:lookup(path:sub(#DOH_PATH + 1)) or ""
  if line == "" then
    question:setHTTPResponse(404, "There is no filter here.\n", "text/plain")
    question.dh:setQR(true)
    return DNSAction.HeaderModify, ""
  end
  local plan = plans[line]
  if plan == nil then
    plan = read_plan(line)
    plans[line] = plan
  end
  plan.used = os.time()
  local closed, category = is_closed(plan, question.qname)
  if closed then
    if plan.counted_for and category then count(plan.counted_for, category) end
    question:setTag("closed", "1")
    return BLOCKED_ADDRESS and DNSAction.None or DNSAction.Nxdomain, ""
  end
  local pool = choose_pool(plan, question.qname)
  if pool ~= "" then return DNSAction.Pool, pool end
  return DNSAction.None, ""
end

local function shorten(_, _, _, ttl)
  return ttl < MAX_TTL and ttl or MAX_TTL
end

function shorten_ttls(response)
  response:editTTLs(shorten)
  return DNSResponseAction.None, ""
end

local function read_certificate_mark()
  local file = io.open(FOLDER .. "/certificate-mark", "r")
  if file == nil then return nil end
  local mark = file:read("*l")
  file:close()
  return mark
end

-- Read before dnsdist reads the certificate itself: one that changes in between is read twice, and never missed.
local certificate_mark = read_certificate_mark()
local seconds = 0

-- dnsdist calls this every second: the certificate is read again when the file beside it says so, and old plans are forgotten.
function maintenance()
  local mark = read_certificate_mark()
  if mark ~= nil and mark ~= certificate_mark then
    pcall(reloadAllCertificates)
    certificate_mark = mark
  end
  seconds = seconds + 1
  if seconds % COUNT_SECONDS == 0 then hand_over_counts() end
  if seconds % 60 == 0 then
    local oldest = os.time() - 600
    for line, plan in pairs(plans) do
      if plan.used < oldest then plans[line] = nil end
    end
    collectgarbage()
  end
end
