"""The era bridge: a client of one protocol era gets on with a server of the other.

The words are translated by `mcptap.bridging`; here is who is bridged when, and what is pending.
"""
