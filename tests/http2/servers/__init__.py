"""Real servers of HTTP/2, each in a module of its own: see `base`."""

from __future__ import annotations

from .base import H2Server
from .caddy import Caddy
from .envoy import Envoy
from .h2o import H2O
from .haproxy import HAProxy
from .hypercorn import Hypercorn
from .nghttpd import Nghttpd
from .nginx import Nginx
from .node import Node

__all__ = ["ALL", "H2O", "Caddy", "Envoy", "H2Server", "HAProxy", "Hypercorn", "Nghttpd", "Nginx", "Node"]

ALL: dict[str, type[H2Server]] = {
    kind.program: kind for kind in (Nginx, Nghttpd, H2O, HAProxy, Caddy, Envoy, Node, Hypercorn)
}
"""Their classes by name."""
