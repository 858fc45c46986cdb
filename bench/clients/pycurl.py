"""pycurl (libcurl): one handle, reused, so that its connection is. The body is gathered in a BytesIO, as documented."""

from __future__ import annotations

from io import BytesIO

import pycurl

from . import HTTP2, Body, Settings


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._curl = pycurl.Curl()
        if settings.ca_file is not None:
            self._curl.setopt(pycurl.CAINFO, settings.ca_file)
        if settings.http2:
            self._curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)

    def get(self, path: str) -> Body:
        buffer = BytesIO()
        self._curl.setopt(pycurl.URL, self._base + path)
        self._curl.setopt(pycurl.WRITEDATA, buffer)
        self._curl.perform()
        return buffer.getvalue()

    def version(self, path: str) -> str:
        self.get(path)
        number = self._curl.getinfo(pycurl.INFO_HTTP_VERSION)
        return HTTP2 if number == pycurl.CURL_HTTP_VERSION_2_0 else f"curl's HTTP version {number}"

    def close(self) -> None:
        self._curl.close()


def open_sync(settings: Settings) -> Sync:
    """A blocking handle."""
    return Sync(settings)
