"""`python -m httpfast`: the command line."""

from __future__ import annotations

from httpfast._cli import main

if __name__ == "__main__":
    main()
