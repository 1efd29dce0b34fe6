"""The proxy itself: FastMCP's front, the hop, and the backends that it asks."""
