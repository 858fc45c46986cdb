"""Fixtures that need a server, a client or a loop: servers one a run, drivers one a test, with nothing left behind."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bench.server import Certificates, EmbeddedServer

from . import servers
from .leftovers import Alive, Leftovers
from .nginx import Nginx

if TYPE_CHECKING:
    from .drivers.facade import Driver


@dataclass(frozen=True)
class Origin:
    """A server under one URL. `url` has no trailing slash; `verify` is a context that trusts its certificate."""

    name: str
    url: str
    verify: ssl.SSLContext
    is_nginx: bool

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https")

    @property
    def small(self) -> str:
        """1,024 octets with Content-Length."""
        return self.url + ("/static/1k" if self.is_nginx else "/bytes/1024")

    @property
    def large(self) -> str:
        """10,000,000 octets with Content-Length."""
        return self.url + ("/static/10m" if self.is_nginx else "/bytes/10000000")

    @property
    def chunked(self) -> str:
        """100,000 octets, chunked."""
        return self.url + ("/chunked/100k" if self.is_nginx else "/chunked/100000")

    @property
    def empty(self) -> str:
        """204."""
        return self.url + ("/empty" if self.is_nginx else "/status/204")

    @property
    def drain(self) -> str:
        """Reads the request's body and answers its length in decimal."""
        return self.url + ("/upload" if self.is_nginx else "/drain")

    @property
    def huge(self) -> str:
        """100,000,000 octets with Content-Length."""
        return self.url + ("/static/100m" if self.is_nginx else "/bytes/100000000")


@pytest.fixture(scope="session")
def ca() -> Certificates:
    """The run's certificate authority."""
    return servers.certificates()


@pytest.fixture(scope="session")
def context(ca: Certificates) -> ssl.SSLContext:
    """A client's context that trusts the run's certificate authority only."""
    return ca.client_context()


@pytest.fixture(scope="session")
def embedded_server(ca: Certificates) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(certificates=ca) as server:
        yield server


@pytest.fixture(scope="session")
def nginx_server(ca: Certificates) -> Iterator[Nginx]:
    if not Nginx.available():
        pytest.skip("nginx is not installed")
    with Nginx(certificates=ca) as server:
        yield server


@pytest.fixture(scope="session", params=["plain", "tls"])
def embedded(request: pytest.FixtureRequest, embedded_server: EmbeddedServer, context: ssl.SSLContext) -> Origin:
    """The embedded server, plain and over TLS."""
    url = embedded_server.tls_url if request.param == "tls" else embedded_server.url
    return Origin(f"embedded-{request.param}", url, context, is_nginx=False)


@pytest.fixture(scope="session", params=["plain", "tls"])
def nginx(request: pytest.FixtureRequest, nginx_server: Nginx, context: ssl.SSLContext) -> Origin:
    """A real nginx, plain and over TLS."""
    url = nginx_server.tls_url if request.param == "tls" else nginx_server.url
    return Origin(f"nginx-{request.param}", url, context, is_nginx=True)


@pytest.fixture(scope="session", params=["embedded-plain", "embedded-tls", "nginx-plain", "nginx-tls"])
def origin(request: pytest.FixtureRequest, context: ssl.SSLContext) -> Origin:
    """Each server, plain and over TLS, for what both can do."""
    kind, _, layer = request.param.partition("-")
    server = request.getfixturevalue(f"{kind}_server")
    return Origin(request.param, server.tls_url if layer == "tls" else server.url, context, is_nginx=kind == "nginx")


@pytest.fixture(scope="session")
def _what_uvloop_keeps() -> None:
    """The first loop of uvloop opens a pipe for signals, which it never closes."""
    try:
        import uvloop
    except ImportError:
        return
    uvloop.new_event_loop().close()


@pytest.fixture(autouse=True)
def _nothing_left_open(request: pytest.FixtureRequest, _what_uvloop_keeps: None) -> Iterator[None]:
    """Fails any test that leaves sockets, pipes, pollers or threads behind. See `leftovers`."""
    before = Leftovers()
    yield
    # The first fixture ends last. pytest keeps the values of the others until the module's have ended too.
    request.node.funcargs.clear()
    before.check()


@pytest.fixture(scope="session")
def _alive(request: pytest.FixtureRequest) -> Iterator[Alive]:
    """The objects of the core, looked at now and then, and when all is over."""
    alive = Alive()
    yield alive
    alive.check(request.session.testsfailed)


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_alive(request: pytest.FixtureRequest, _alive: Alive) -> Iterator[None]:
    """Fails when modules keep exchanges, connections, streams or pools alive. See `leftovers`."""
    yield
    _alive.end_module(request.node.name, request.session.testsfailed)


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fails a test that leaves sockets, threads or unraised exceptions behind."""
    from .drivers.leaks import leak_check

    with leak_check():
        yield


@pytest.fixture(params=["sync", "asyncio", "uvloop", "trio"])
def driver(request: pytest.FixtureRequest, no_leaks: None) -> Iterator[Driver]:
    """The blocking client, and the asynchronous one on each loop. Tests that use it may be coroutines."""
    from .drivers.facade import make_driver

    try:
        driver = make_driver(request.param)
    except ImportError:
        pytest.skip(f"{request.param} is not installed")
    yield driver
    driver.finish()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_driver(request: pytest.FixtureRequest, no_leaks: None) -> Iterator[Driver]:
    """As `driver`, for scenarios that have no blocking form."""
    from .drivers.facade import make_driver

    try:
        driver = make_driver(request.param)
    except ImportError:
        pytest.skip(f"{request.param} is not installed")
    yield driver
    driver.finish()


@pytest.fixture
def sync_driver(no_leaks: None) -> Iterator[Driver]:
    """As `driver`, for scenarios that only blocking code has."""
    from .drivers.facade import make_driver

    driver = make_driver("sync")
    yield driver
    driver.finish()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--row", action="append", default=[], metavar="ROW", help="only tests of a row of the catalogue, or of its area"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the rows that `--row` names; see `tests.catalogue`."""
    wanted = tuple(config.getoption("row"))
    if wanted:
        from .catalogue import rows_of

        chosen = [item for item in items if any(row.startswith(wanted) for row in rows_of(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine by its driver."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    driver = next((arguments[name] for name in ("driver", "loop_driver", "sync_driver") if name in arguments), None)
    if driver is None:
        return None
    driver.run(pyfuncitem.obj(**arguments))
    return True
