"""Credentials from a netrc file, sent by the Basic scheme (RFC 7617): `NetRCAuth`.

Clients read such a file only if they are given a `NetRCAuth`.
"""

from __future__ import annotations

from ._auth import Auth, BasicAuth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from ._request import Request
    from ._response import Response

__all__ = ["NetRCAuth"]


class NetRCAuth(Auth):
    """Basic credentials by the host of each request, looked up in a netrc file.

    The host has to be that of a `machine` entry exactly; no subdomain, port or userinfo comes into it. An entry without
    a password stands for no credentials. Hosts without an entry get the login of the `default` entry, where the file
    has one: leave it out unless every server may see it. A request that has an Authorization field keeps it.

    It is the host that the caller has named that is looked up. A redirect to another origin drops what was found for
    it, and nothing is looked up for the new one.

    Args:
        file: its path, or None for `.netrc` in the home directory, which need not be there. It is read once, now. The
            environment variable NETRC is not looked at: `NetRCAuth(os.environ.get("NETRC"))` does that.

    Raises:
        OSError: the file that is named cannot be read.
        netrc.NetrcParseError: the file is no netrc file, or it is the one in the home directory and others may read it.
    """

    def __init__(self, file: str | None = None) -> None:
        # Host -> scheme; None for an entry without a password. Not the netrc object, whose repr has it all.
        self._schemes = _schemes_of(file)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        if "Authorization" not in request.headers:
            scheme = self._scheme_for(request)
            if scheme is not None:
                yield from scheme.auth_flow(request)
                return
        yield request

    def _scheme_for(self, request: Request) -> BasicAuth | None:
        host, a_label = request.url.host, request.url._origin_key[1].decode("ascii")
        # A name beyond ASCII may be written either way.
        for name in (host, a_label):
            if name in self._schemes:
                return self._schemes[name]
        return self._schemes.get("default")


def _schemes_of(file: str | None) -> dict[str, BasicAuth | None]:
    import netrc

    try:
        hosts = netrc.netrc(file).hosts
    except OSError:
        if file is not None:
            raise
        return {}
    except netrc.NetrcParseError as error:
        # "bad follower token 'hunter2'": with a space in a password, the token is the rest of it.
        reason = error.msg.partition(" token ")[0] + " token" if error.msg.startswith("bad ") else error.msg
        raise netrc.NetrcParseError(reason, error.filename, error.lineno) from None
    return {
        host: BasicAuth(login, password) if password else None for host, (login, _account, password) in hosts.items()
    }
