"""The report of a recording as one HTML page, and the same page live."""
