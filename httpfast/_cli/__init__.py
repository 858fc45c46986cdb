"""The command line: `httpfast URL`, `python -m httpfast`, `httpfast.main`. Imported when one of them is asked for.

    command ──► request ──► fetch ──► display    one request, shown on a terminal
                   │          ├─────► download   its body in a file
                   │          └─────► timings    where its time went
                   ├──────► load                 many of them, and how long they took
                   └──────► curl                 none: the command that would send it

What a server sends reaches a terminal through `text` only. A body that goes anywhere else goes there as it is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command import main
else:
    try:
        from .command import main
    except ModuleNotFoundError as error:
        # Nothing else that is missing may look like an extra that was not installed.
        if (error.name or "").partition(".")[0] not in ("click", "pygments", "rich"):
            raise

        def main() -> None:
            """Say what is missing. Raises SystemExit with status 1."""
            import sys

            print(
                "The command line needs packages that are not installed. Try: pip install 'httpfast[cli]'",
                file=sys.stderr,
            )
            sys.exit(1)


__all__ = ["main"]
