"""What every Python of a test of docs starts with: names of the pages' hosts lead to the tests' servers.

The variable HTTPFAST_DOCS_HOSTS has, as JSON, where each "host:port" is: a port of 127.0.0.1. Any other name is
unknown, so that no example goes out.
"""

import importlib.util
import json
import os
import socket
import sys

HOSTS = json.loads(os.environ["HTTPFAST_DOCS_HOSTS"])
_getaddrinfo = socket.getaddrinfo


def _place(host, port):
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "127.0.0.1", "localhost", "::1", "0.0.0.0"):
        return host, port
    place = HOSTS.get(f"{host}:{port}")
    if place is None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port} is no host of the tests of docs")
    return "127.0.0.1", place


def getaddrinfo(host, port, *args, **kwargs):
    return _getaddrinfo(*_place(host, port), *args, **kwargs)


socket.getaddrinfo = getaddrinfo


def _patch_uvloop(uvloop):
    class Loop(uvloop.Loop):
        async def getaddrinfo(self, host, port, **kwargs):
            return await super().getaddrinfo(*_place(host, port), **kwargs)

    uvloop.Loop = uvloop.new_event_loop = Loop


class _Finder:
    """Patches uvloop, which asks libuv for addresses, as soon as it is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "uvloop":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_patch(module):
            execute(module)
            _patch_uvloop(module)

        spec.loader.exec_module = execute_and_patch
        return spec


sys.meta_path.insert(0, _Finder())
