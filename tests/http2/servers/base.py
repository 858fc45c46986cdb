"""What a real HTTP/2 server is to the tests: the same few paths, over TLS and by prior knowledge.

    GET /bytes/N           `content(N)`, for the N of `SIZES`
    GET /echo?...          where `echoes`: JSON {"method", "target", "headers": [[name, value], ...]}
    GET /trailers          where `trailers_at` says so: a body, and the trailer field `x-note`
    POST /drain            reads the body; see `drained`

Servers that have no such answers of their own stand in front of the embedded server, which has.
"""

from __future__ import annotations

import re
from collections import Counter

import httpfast
from bench.server import Certificates, EmbeddedServer, content

from ...daemons import Daemon

SIZES = (1024, 10_000_000)
"""Octets of what lies below /bytes/."""

_TOKEN = re.compile(r"[?&]token=([\w.]+)")


class H2Server(Daemon):
    """A server in a process of its own, for as long as the `with` block lasts.

    Args:
        certificates: what it shows.
        origin: what it stands in front of, if it is of that kind.

    Attributes, once started: `url` (https://localhost) and `h2c_url`, without a trailing slash.
    """

    package: str
    """What to install: of Debian where that has it, else of PyPI."""

    names: tuple[str, ...] = ("tls", "h2c")

    echoes = True
    trailers_at: str | None = "/trailers"
    """Where trailers come; None when it sends none."""

    can_leave = True
    """Whether it can be told to say goodbye to its connections; see `leave`."""

    may_stall = False
    """Whether a large answer may come to a halt for good while its connection carries another one."""

    access_log = "access.log"
    """The file, in its folder, with a line for each request that it has served."""

    def __init__(self, certificates: Certificates, origin: EmbeddedServer) -> None:
        super().__init__()
        self.certificate = str(certificates.server_file)
        self.origin = f"127.0.0.1:{origin.port}"
        self.ports: dict[str, int] = {}
        self.url = ""
        self.h2c_url = ""

    def is_listening_on(self, ports: list[int]) -> None:
        """See `Daemon`."""
        self.ports = dict(zip(self.names, ports, strict=True))
        self.url = f"https://localhost:{self.ports['tls']}"
        self.h2c_url = f"http://127.0.0.1:{self.ports['h2c']}"

    def drained(self, response: httpfast.Response) -> int:
        """How many octets of a body the server has read, by its answer."""
        return int(response.text)

    def leave(self) -> None:
        """Have it send GOAWAY to all its connections, end what is under way on them, and go on with new ones."""
        raise NotImplementedError(f"{self.program} cannot be told to leave")

    def served(self, tokens: set[str]) -> Counter[str]:
        """How often it has served requests with these tokens (`?token=...`), once it has noted each of them."""
        found: Counter[str] = Counter()

        def are_all_noted() -> bool:
            nonlocal found
            noted = _TOKEN.findall((self.directory / self.access_log).read_text())
            found = Counter(token for token in noted if token in tokens)
            return len(found) == len(tokens)

        self.wait_until(are_all_noted, f"noted {len(tokens)} requests")
        return found

    def write_files(self) -> str:
        """Write what lies below /bytes/; the path of the folder above."""
        folder = self.directory / "files" / "bytes"
        folder.mkdir(parents=True)
        for size in SIZES:
            (folder / str(size)).write_bytes(content(size))
        return str(folder.parent)
