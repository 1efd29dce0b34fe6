"""What differs between what was recorded and what is there now, and whether a client breaks by it."""
