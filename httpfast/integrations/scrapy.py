"""A download handler for Scrapy on its asyncio reactor, in settings.py:

    DOWNLOAD_HANDLERS = {scheme: "httpfast.integrations.scrapy.HTTPFastDownloadHandler" for scheme in ("http", "https")}

One transport, without a client: redirects, cookies, retries, compression and the choice of a proxy are Scrapy's
middlewares', and no field is sent that they do not ask for, but Host and what frames a body.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from scrapy import signals
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    NotConfigured,
    ResponseDataLossError,
    StopDownload,
    UnsupportedURLSchemeError,
)
from scrapy.http import Headers
from scrapy.responsetypes import responsetypes
from scrapy.utils.asyncio import is_asyncio_available

from .._config import Limits, Proxy, Timeout
from .._exceptions import (
    ConnectError,
    InvalidURL,
    ProxyError,
    RemoteProtocolError,
    RequestError,
    TimeoutException,
    UnsupportedProtocol,
)
from .._request import Request
from .._tls import create_ssl_context
from .._transports.default import AsyncHTTPTransport

if TYPE_CHECKING:
    import scrapy
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.settings import BaseSettings

    from .. import _response

__all__ = ["HTTPFastDownloadHandler"]

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 180.0
"""Seconds, for requests that no middleware has given a timeout: Scrapy's own DOWNLOAD_TIMEOUT."""

_TLS_VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class HTTPFastDownloadHandler(BaseDownloadHandler):
    """Downloads by httpfast. See Scrapy's documentation of DOWNLOAD_HANDLERS.

    Obeyed settings: CONCURRENT_REQUESTS (connections), DOWNLOAD_BIND_ADDRESS (without a port),
    DOWNLOAD_FAIL_ON_DATALOSS, DOWNLOAD_MAXSIZE, DOWNLOAD_WARNSIZE, DOWNLOAD_TLS_MIN_VERSION, DOWNLOAD_TLS_MAX_VERSION,
    DOWNLOAD_VERIFY_CERTIFICATES, DOWNLOADER_CLIENT_TLS_CIPHERS; HTTPFAST_HTTP2_ENABLED is this handler's own, and
    False by default. Obeyed keys of `Request.meta`: download_timeout, for the whole download; download_maxsize,
    download_warnsize, download_fail_on_dataloss, proxy.

    Raises:
        NotConfigured: Scrapy does not run on asyncio.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        if not is_asyncio_available():
            raise NotConfigured("HTTPFastDownloadHandler needs Scrapy's asyncio reactor: see TWISTED_REACTOR")
        settings = crawler.settings
        self._max_size = settings.getint("DOWNLOAD_MAXSIZE")
        self._warn_size = settings.getint("DOWNLOAD_WARNSIZE")
        self._fails_on_loss = settings.getbool("DOWNLOAD_FAIL_ON_DATALOSS")
        verifies = settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES")
        self._proxy_context = None if verifies else create_ssl_context(verify=False)
        connections = settings.getint("CONCURRENT_REQUESTS") or None
        self._transport = AsyncHTTPTransport(
            verify=_context(settings),
            trust_env=False,
            http2=settings.getbool("HTTPFAST_HTTP2_ENABLED"),
            # Scrapy limits what goes on at a time, per slot and in all: nothing waits here.
            limits=Limits(max_connections=connections, max_keepalive_connections=connections),
            local_address=_bind_address(settings),
            # Scrapy has a middleware for that, which counts.
            replay=False,
        )

    async def download_request(self, request: scrapy.Request) -> Response:
        """Send one request and return its response, body and all.

        Raises:
            Exception: one of `scrapy.exceptions`.
        """
        timeout = float(request.meta.get("download_timeout") or DEFAULT_TIMEOUT)
        started = monotonic()
        async with _scrapys_errors(request, timeout):
            response = await self._transport.handle_async_request(self._request(request, timeout))
            try:
                request.meta["download_latency"] = monotonic() - started
                return await _Download(self, request, response).run()
            finally:
                await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _request(self, request: scrapy.Request, timeout: float) -> Request:
        headers = [
            (name, value)
            for name, values in request.headers.items()
            if name.lower() != b"proxy-authorization"
            for value in values
        ]
        extensions: dict[str, Any] = {"timeout": Timeout(timeout, total=timeout).as_dict()}
        if proxy := request.meta.get("proxy"):
            extensions["proxy"] = self._proxy(proxy, request.headers.get("Proxy-Authorization"))
        return Request(request.method, request.url, headers=headers, content=request.body, extensions=extensions)

    def _proxy(self, url: str, credentials: bytes | None) -> Proxy:
        headers = {} if credentials is None else {"Proxy-Authorization": credentials.decode("latin-1")}
        proxy = Proxy(url if "://" in url else f"http://{url}", headers=headers)
        if proxy.url.scheme == "https":
            proxy.ssl_context = self._proxy_context
        return proxy


class _Download:
    """The body of one response on its way into Scrapy's."""

    def __init__(self, handler: HTTPFastDownloadHandler, request: scrapy.Request, response: _response.Response) -> None:
        meta = request.meta
        self._crawler = handler.crawler
        self._request = request
        self._source = response
        self._headers = Headers(response.headers.multi_items())
        self._body = bytearray()
        # The connection may serve another request when the body has come: what it is has to be asked now.
        stream = response.extensions.get("network_stream")
        self._address = None if stream is None else stream.get_extra_info("server_addr")
        tls = None if stream is None else stream.get_extra_info("ssl_object")
        self._certificate = None if tls is None else tls.getpeercert(binary_form=True)
        self._max_size: int = meta.get("download_maxsize", handler._max_size)
        self._warn_size: int = meta.get("download_warnsize", handler._warn_size)
        self._fails_on_loss: bool = meta.get("download_fail_on_dataloss", handler._fails_on_loss)

    async def run(self) -> Response:
        """The response."""
        length = int(self._source.headers.get("content-length", 0))
        self._check_size(length, is_expected=True)
        signal = {"headers": self._headers, "body_length": length or None}
        if stop := self._stopped_by(signals.headers_received, **signal):
            return self._made(stop=stop)
        try:
            async for chunk in self._source.aiter_raw():
                self._body += chunk
                if stop := self._stopped_by(signals.bytes_received, data=chunk):
                    return self._made(stop=stop)
                self._check_size(len(self._body), is_expected=False)
        except RemoteProtocolError as error:
            if self._fails_on_loss:
                raise ResponseDataLossError(str(error)) from error
            return self._made(flags=["dataloss"])
        return self._made()

    def _stopped_by(self, signal: object, **arguments: Any) -> StopDownload | None:
        """Tell of a signal; what a receiver has raised to end the download here."""
        answers = self._crawler.signals.send_catch_log(
            signal=signal, request=self._request, spider=self._crawler.spider, **arguments
        )
        reasons = (getattr(answer, "value", None) for _, answer in answers)
        return next((reason for reason in reasons if isinstance(reason, StopDownload)), None)

    def _check_size(self, size: int, *, is_expected: bool) -> None:
        told = f"{'Expected' if is_expected else 'Received'} {size} bytes of {self._request}, above"
        if self._max_size and size > self._max_size:
            logger.warning("%s the maximum of %d", told, self._max_size)
            raise DownloadCancelledError(f"{told} the maximum of {self._max_size}")
        if self._warn_size and size > self._warn_size:
            logger.warning("%s %d, from which on to warn", told, self._warn_size)
            self._warn_size = 0

    def _made(self, *, stop: StopDownload | None = None, flags: list[str] | None = None) -> Response:
        body, url = bytes(self._body), self._request.url
        kind = responsetypes.from_args(headers=self._headers, url=url, body=body)
        made: Response = kind(
            url=url,
            status=self._source.status_code,
            headers=self._headers,
            body=body,
            flags=["download_stopped"] if stop else flags,
            certificate=self._certificate,
            ip_address=None if self._address is None else ipaddress.ip_address(self._address[0]),
            protocol=self._source.http_version,
        )
        if stop is not None and stop.fail:
            stop.response = made
            raise stop
        return made


@asynccontextmanager
async def _scrapys_errors(request: scrapy.Request, timeout: float) -> AsyncIterator[None]:
    """Raise Scrapy's exceptions, which its middlewares know, in place of httpfast's."""
    try:
        yield
    except TimeoutException as error:
        raise DownloadTimeoutError(f"Getting {request.url} took longer than {timeout} seconds.") from error
    except UnsupportedProtocol as error:
        raise UnsupportedURLSchemeError(str(error)) from error
    except ConnectError as error:
        _raise_connect_error(error)
    except ProxyError as error:
        raise DownloadConnectionRefusedError(str(error)) from error
    except (RequestError, InvalidURL) as error:
        raise DownloadFailedError(str(error)) from error


def _raise_connect_error(error: ConnectError) -> NoReturn:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            raise CannotResolveHostError(str(error)) from error
        cause = cause.__cause__ or cause.__context__
    raise DownloadConnectionRefusedError(str(error)) from error


def _context(settings: BaseSettings) -> ssl.SSLContext:
    context = create_ssl_context(verify=settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES"))
    for setting, attribute in (
        ("DOWNLOAD_TLS_MIN_VERSION", "minimum_version"),
        ("DOWNLOAD_TLS_MAX_VERSION", "maximum_version"),
    ):
        version = settings.get(setting)
        if version is not None:
            if version not in _TLS_VERSIONS:
                raise ValueError(f"{setting} is one of {', '.join(_TLS_VERSIONS)}, not {version!r}")
            setattr(context, attribute, _TLS_VERSIONS[version])
    ciphers = settings.get("DOWNLOADER_CLIENT_TLS_CIPHERS", "DEFAULT")
    if ciphers != "DEFAULT":
        context.set_ciphers(ciphers)
    return context


def _bind_address(settings: BaseSettings) -> str | None:
    address = settings.get("DOWNLOAD_BIND_ADDRESS")
    if isinstance(address, tuple | list):
        host, port = address
        if port:
            raise ValueError(f"DOWNLOAD_BIND_ADDRESS has the port {port}; here it may be an address only")
        return str(host)
    return None if address is None else str(address)
