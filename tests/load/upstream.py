"""The wire server over HTTP for as many connections at once as a crowd makes.

Its listening socket holds 5 that wait, by default; more of them take seconds to connect.
"""

from __future__ import annotations

from http.server import ThreadingHTTPServer

from tests.servers import wire_http

if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 1000
    wire_http.main()
