"""The backends: the real server, and a recording of it."""
