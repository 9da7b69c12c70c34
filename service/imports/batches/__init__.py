"""Many imports in one request: read item by item, accepted one by one, and looked after as a whole."""
