"""`python -m radarid` is the `radarid` command."""

from radarid.cli import main

main()
