"""From one protocol era to the other, on raw JSON objects: tables and functions, no state and no I/O."""
