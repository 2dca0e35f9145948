"""One file per registry: units, windows, items, people, rosters, calendars, keys; changed by two persons."""
