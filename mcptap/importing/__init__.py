"""Recordings of other tools as cassettes: read, retold to mcptap's own recorder, and written."""
