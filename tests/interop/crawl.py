"""A crawl by Scrapy with httpfast's download handler, as a process of its own: what came of each request, as JSON.

python -m tests.interop.crawl PLAIN_URL TLS_URL CLOSED_URL PROXY_URL
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import scrapy
from scrapy import signals
from scrapy.crawler import CrawlerProcess
from scrapy.downloadermiddlewares import cookies
from scrapy.exceptions import StopDownload
from tldextract import TLDExtract

HANDLER = "httpfast.integrations.scrapy.HTTPFastDownloadHandler"


def requests(plain: str, tls: str, closed: str, proxy: str) -> dict[str, scrapy.Request]:
    """The requests, by name."""
    basic = {"Proxy-Authorization": "Basic dXNlcjpzZXNhbWU="}
    return {
        "json": scrapy.Request(f"{plain}/json"),
        "echo": scrapy.Request(
            f"{plain}/echo?a=b", method="POST", body=b"abc", headers={"X-Two": ["1", "2"], "Proxy-Authorization": "no"}
        ),
        "redirect": scrapy.Request(f"{plain}/redirect/2"),
        "gzip": scrapy.Request(f"{plain}/gzip"),
        "cookie": scrapy.Request(f"{plain}/cookies/set?a=1", meta={"then": f"{plain}/cookies"}),
        "tls": scrapy.Request(f"{tls}/json"),
        "missing": scrapy.Request(f"{plain}/status/404"),
        "slow": scrapy.Request(f"{plain}/delay/20", meta={"download_timeout": 0.2}),
        "drip": scrapy.Request(f"{plain}/drip/100?interval=0.05", meta={"download_timeout": 0.3}),
        "refused": scrapy.Request(closed),
        "unknown": scrapy.Request("http://nowhere.invalid/"),
        "lost": scrapy.Request(f"{plain}/drop-after/5"),
        "kept": scrapy.Request(f"{plain}/drop-after/6", meta={"download_fail_on_dataloss": False}),
        "large": scrapy.Request(f"{plain}/bytes/100000", meta={"download_maxsize": 50_000}),
        "endless": scrapy.Request(f"{plain}/chunked/3000000", meta={"download_maxsize": 50_000}),
        "stopped": scrapy.Request(f"{plain}/bytes/5000000", meta={"stop": True}),
        "proxied": scrapy.Request(f"{plain}/echo?proxied", meta={"proxy": proxy}, headers=basic),
    }


class Spider(scrapy.Spider):
    """Asks for everything, and keeps what comes."""

    name = "spider"
    urls: tuple[str, ...]
    results: dict[str, Any]

    async def start(self) -> AsyncIterator[scrapy.Request]:
        self.crawler.signals.connect(self.stop, signals.bytes_received)
        for name, request in requests(*self.urls).items():
            request = request.replace(callback=self.parse, errback=self.fail, dont_filter=True)
            yield request.replace(meta=request.meta | {"name": name, "cookiejar": name})

    def stop(self, data: bytes, request: scrapy.Request) -> None:
        if request.meta.get("stop"):
            raise StopDownload(fail=False)

    def parse(self, response: scrapy.http.Response) -> Any:
        name, then = response.meta["name"], response.meta.get("then")
        if then is not None:
            return response.follow(then, self.parse, meta={"name": name, "cookiejar": name}, dont_filter=True)
        self.results[name] = {
            "status": response.status,
            "body": response.body.decode("latin-1")[:5000],
            "length": len(response.body),
            "flags": response.flags,
            "address": str(response.ip_address),
            "protocol": response.protocol,
            "certificate": response.certificate is not None,
            "kind": type(response).__name__,
            "latency": "download_latency" in response.meta,
        }
        return None

    def fail(self, failure: Any) -> None:
        status = getattr(getattr(failure.value, "response", None), "status", None)
        self.results[failure.request.meta["name"]] = {"error": type(failure.value).__name__, "status": status}


def main(*urls: str) -> None:
    # Otherwise it would fetch a list of domains from the network for the first cookie.
    cookies._split_domain = TLDExtract(suffix_list_urls=())
    results: dict[str, Any] = {}
    settings = {
        "DOWNLOAD_HANDLERS": {"http": HANDLER, "https": HANDLER},
        "LOG_LEVEL": "WARNING",
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "USER_AGENT": "spider/1",
        "DOWNLOAD_DELAY": 0,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
    }
    process = CrawlerProcess(settings)
    process.crawl(Spider, urls=urls, results=results)
    process.start()
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
