"""The server of the pages' examples: the embedded one, with the routes of httpbin.org that they use.

python -m tests.docs.server [options of bench.server]
"""

from __future__ import annotations

import asyncio

from bench.server import routes
from bench.server.__main__ import main
from bench.server.connection import split_path
from bench.server.content import content_pieces
from bench.server.exchange import Exchange
from bench.server.wire import Answer, RequestHead


async def drip(exchange: Exchange, argument: str) -> None:
    """As httpbin's: ?numbytes=10&duration=2."""
    query = exchange.request.query
    size, duration = routes.number(query["numbytes"]), routes.seconds(query["duration"])
    await exchange.start(200, [("Content-Type", routes.OCTETS)], size)
    for octet in content_pieces(size, 1):
        await exchange.write(octet)
        await asyncio.sleep(duration / size)


def cookies(request: RequestHead, argument: str) -> Answer:
    """As httpbin's: /cookies/set?name=value sets them for all paths, and leads to where they are shown."""
    if argument != "set":
        return routes.cookies(request, argument)
    fields = [("Set-Cookie", f"{name}={value}; Path=/") for name, value in request.query_pairs]
    return Answer.text("", 302, [("Location", "/cookies"), *fields])


CHALLENGES = {
    "basic-auth": 'Basic realm="httpbin"',
    "bearer": "Bearer",
    "digest-auth": 'Digest realm="httpbin", nonce="c0ffee", qop="auth", algorithm=MD5',
}


def authenticated(request: RequestHead, argument: str) -> Answer:
    """As httpbin's: 401 without credentials of the path's scheme. Which, is not looked at."""
    challenge = CHALLENGES[split_path(request.path)[0]]
    scheme = challenge.partition(" ")[0]
    if any(value.startswith(f"{scheme} ") for value in request.values("authorization")):
        return routes.as_json({"authenticated": True})
    return Answer.text("", 401, [("WWW-Authenticate", challenge)])


# The paths of the command line's examples, beside those of httpbin.
routes.LIVE |= dict.fromkeys(("anything", "post", "search", "items", "upload"), routes.echo) | {"drip": drip}
routes.FIXED |= dict.fromkeys(CHALLENGES, authenticated) | {
    "cookies": cookies,
    "data.json": routes.document,
    "get": routes.document,
    "photo.jpg": routes.head,
    "report": routes.head,
}

if __name__ == "__main__":
    main()
