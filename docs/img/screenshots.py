"""Makes the pictures of docs/cli.md: `python -m docs.img.screenshots` in the top folder, with the extra `[cli]`.

Each is what the command writes to a terminal, from a real request to the embedded server, as rich draws it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from rich.console import Console

from bench.server import EmbeddedServer
from httpfast._cli.command import execute
from httpfast._cli.request import Options
from httpfast._cli.terminal import Terminal

HERE = Path(__file__).parent
COLUMNS = 112


def picture(name: str, command: str, options: Options) -> None:
    """Run a command and write what it shows to NAME.svg."""
    console = Console(
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        color_system="truecolor",
        width=COLUMNS,
        soft_wrap=True,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(f"$ {command}", style="bold")
    execute(options, Terminal(console, console))
    drawn = console.export_svg(title="httpfast", unique_id=f"httpfast-{name}")
    (HERE / f"{name}.svg").write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", "utf-8")


def main() -> None:
    with EmbeddedServer() as server:
        os.environ["SSL_CERT_FILE"] = server.ca_file
        url = f"{server.tls_url}/cookies"
        picture(
            "verbose",
            f"httpfast {url} -v --auth user password --cookies theme dark",
            Options(url, verbose=True, auth=("user", "password"), cookies=(("theme", "dark"),)),
        )
        url = f"{server.tls_url}/redirect-to?url=/delay/0.02"
        picture(
            "timings",
            f"httpfast {url} --follow-redirects --timings",
            Options(url, timings=True, follow_redirects=True),
        )
        url = f"{server.url}/bytes/1024"
        picture(
            "load",
            f"httpfast {url} --repeat 2000 --concurrency 10",
            Options(url, repeat=2_000, concurrency=10),
        )


if __name__ == "__main__":
    main()
