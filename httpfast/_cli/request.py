"""What the options ask for, as the arguments of a client and of its request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, BinaryIO

__all__ = ["Options", "UsageError", "client_settings", "method_of", "request_arguments"]


class UsageError(Exception):
    """The options make no request."""


@dataclass
class Options:
    """The command line, parsed. The names are those of the options; pairs come as tuples.

    Attributes:
        json: the value, in a tuple of one; None if there is none, for `null` is a value.
        timeout: seconds.
        is_timeout_given: not the default.
        repeat: how many requests; None for a single one, which is shown.
    """

    url: str
    method: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    content: str | None = None
    data: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, BinaryIO], ...] = ()
    json: tuple[Any] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    auth: tuple[str, str] | None = None
    proxy: str | None = None
    timeout: float = 5.0
    is_timeout_given: bool = False
    follow_redirects: bool = False
    verify: bool = True
    http2: bool = False
    download: str | None = None
    verbose: bool = False
    show_secrets: bool = False
    timings: bool = False
    repeat: int | None = None
    concurrency: int = 1
    curl: bool = False

    @property
    def has_body(self) -> bool:
        return self.content is not None or self.json is not None or bool(self.data or self.files)


def method_of(options: Options) -> str:
    """The method: POST for a request with a body, unless another was asked for."""
    return (options.method or ("POST" if options.has_body else "GET")).upper()


def client_settings(options: Options) -> dict[str, Any]:
    """Arguments for `Client` or `AsyncClient`."""
    return {
        "auth": options.auth,
        "cookies": dict(options.cookies) or None,
        "verify": options.verify,
        "http2": options.http2,
        "proxy": options.proxy,
        "timeout": options.timeout,
        "follow_redirects": options.follow_redirects,
    }


def request_arguments(options: Options) -> dict[str, Any]:
    """Arguments for `build_request`, but for the method and the URL.

    Raises:
        UsageError: more than one kind of body.
    """
    kinds = {
        "--content": options.content is not None,
        "--json": options.json is not None,
        "--data or --files": bool(options.data or options.files),
    }
    given = [kind for kind, is_given in kinds.items() if is_given]
    if len(given) > 1:
        raise UsageError(f"A request has one body: {' and '.join(given)} were given")
    headers = list(options.headers)
    arguments: dict[str, Any] = {"params": list(options.params) or None}
    if options.content is not None:
        # Arguments that are no UTF-8 come with surrogates in the places of their octets: these are what is sent.
        arguments["content"] = options.content.encode("utf-8", "surrogateescape")
    elif options.json is not None:
        [value] = options.json
        if value is None:
            arguments["content"] = b"null"
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", "application/json"))
        else:
            arguments["json"] = value
    elif options.data or options.files:
        arguments["data"] = _grouped(options.data) or None
        arguments["files"] = list(options.files) or None
    arguments["headers"] = headers
    return arguments


def _grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, str | list[str]]:
    """Pairs as a form: a name that comes more than once has a list."""
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in form.items()}
