"""The cassette on disk: its lines, its writer, its reader and its index."""
