"""`python -m mcptap` is the command `mcptap`."""

from mcptap.cli import main

main()
