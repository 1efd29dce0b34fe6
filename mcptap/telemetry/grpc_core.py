"""What gRPC's C core reads from the environment once, when it is loaded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

_WANTED: Final = {"GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "NONE"}


@contextlib.contextmanager
def loading_grpc() -> Iterator[None]:
    """Have gRPC, if it is loaded in this context, keep its hands off forks and off stderr.

    uvloop starts servers by ``fork``. gRPC's handlers around that, which are of no use where ``exec``
    follows (gRPC's ``doc/fork_support.md``), may end or hang the process while another thread sends. Of
    what fails, mcptap tells itself.

    What the user has set is left as it is, and servers inherit nothing of this.
    """
    added = [name for name in _WANTED if name not in os.environ]
    os.environ.update({name: _WANTED[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
