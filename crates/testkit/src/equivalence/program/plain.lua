local function argument(text) return text end
