"""A request as a curl command that sends the same: quoted for a POSIX shell, complete with its secrets.

curl's own defaults are switched off where they differ: its User-Agent, the type that it gives to bodies, its globbing.
"""

from __future__ import annotations

import shlex

from .._config import DEFAULT_MAX_REDIRECTS
from .download import is_folder
from .request import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._request import Request
    from .request import Options

__all__ = ["curl_command"]

# Said by curl itself, or by the options below.
_OWN = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "cookie", "accept-encoding", "content-type"}
)
_FORM = "application/x-www-form-urlencoded"


def curl_command(options: Options, request: Request) -> str:
    """The command.

    Args:
        request: as httpfast would send it; built from the options.

    Raises:
        UsageError: curl has no option for it.
    """
    arguments = ["curl", *_method(options, request)]
    for name, value in request.headers.multi_items():
        if name not in _OWN and (name, value) != ("accept", "*/*"):
            arguments += ["-H", _field(_cased(request, name), value)]
    arguments += _overridden(options, request)
    if options.auth is not None or request.url.userinfo:
        username, password = options.auth or (request.url.username, request.url.password)
        arguments += ["-u", f"{username}:{password}"]
    if "cookie" in request.headers:
        arguments += ["-b", request.headers["cookie"]]
    arguments += _body(options, request)
    arguments += _settings(options, request)
    url = str(request.url.copy_with(username=None, password=None, fragment=None))
    if any(letter in url for letter in "[]{}"):
        arguments.append("--globoff")
    if "/." in url or "%2e" in url.lower():
        arguments.append("--path-as-is")
    return " ".join(shlex.quote(argument) for argument in [*arguments, url])


def _cased(request: Request, name: str) -> str:
    """A name as it was written."""
    raw = name.encode("ascii")
    return next(given for given, _ in request.headers.raw if given.lower() == raw).decode("ascii")


def _field(name: str, value: str) -> str:
    # A colon with nothing behind it takes a field of curl's away; a semicolon sends an empty one.
    return f"{name}: {value}" if value else f"{name};"


def _method(options: Options, request: Request) -> list[str]:
    if request.method == "HEAD" and not options.has_body:
        return ["--head"]
    if request.method == ("POST" if options.has_body else "GET"):
        return []
    return ["-X", request.method]


def _overridden(options: Options, request: Request) -> list[str]:
    """Fields that curl says by itself, where the caller says something else."""
    given = {name.lower() for name, _ in options.headers}
    arguments: list[str] = []
    for name in ("host", "connection", "accept-encoding", "content-length", "transfer-encoding"):
        if name in given and name in request.headers:
            arguments += ["-H", _field(_cased(request, name), request.headers[name])]
    if "accept-encoding" in request.headers:
        arguments.append("--compressed")
    return arguments


def _body(options: Options, request: Request) -> list[str]:
    if options.files:
        return _multipart(options)
    if not options.has_body:
        if request.headers.get("content-length") == "0":
            # A length is sent with an empty body, but for the methods that mean nothing by one.
            return ["--data-raw", "", "-H", "Content-Type:"]
        return []
    kind = request.headers.get("content-type", "")
    arguments = [] if kind == _FORM else ["-H", f"Content-Type: {kind}" if kind else "Content-Type:"]
    return [*arguments, "--data-raw", request.content.decode("utf-8", "surrogateescape")]


def _multipart(options: Options) -> list[str]:
    from mimetypes import guess_type

    arguments: list[str] = []
    for name, value in options.data:
        arguments += ["--form-string", f"{_part_name(name)}={value}"]
    for name, file in options.files:
        path = str(file.name)
        path = "-" if path == "<stdin>" else path
        kind = guess_type(path)[0] or "application/octet-stream"
        quoted = path.replace("\\", "\\\\").replace('"', '\\"')
        arguments += ["-F", f'{_part_name(name)}=@"{quoted}";type={kind}']
    return arguments


def _part_name(name: str) -> str:
    if "=" in name:
        raise UsageError(f"curl takes no name with an equals sign for a part: {name!r}")
    return name


def _settings(options: Options, request: Request) -> list[str]:
    arguments: list[str] = []
    if options.proxy is not None:
        arguments += ["-x", options.proxy]
    if options.follow_redirects:
        arguments += ["-L", "--max-redirs", str(DEFAULT_MAX_REDIRECTS)]
    if not options.verify:
        arguments.append("-k")
    if request.url.scheme == "https":
        arguments.append("--http2" if options.http2 else "--http1.1")
    if options.is_timeout_given:
        # The one of httpfast's four limits that curl has too: it has none for a single read.
        arguments += ["--connect-timeout", f"{options.timeout:g}"]
    if options.download is not None and options.download != "-":
        if is_folder(options.download):
            arguments += ["-O", "-J", "--output-dir", options.download]
        else:
            arguments += ["-o", options.download]
    return arguments
