"""The configurations of MCP clients: which servers they name, and how an entry of theirs is changed."""
