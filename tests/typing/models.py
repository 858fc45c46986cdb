"""What type checkers see of URLs, fields, queries, cookies and settings. Checked, never run."""

from __future__ import annotations

import ssl
from collections.abc import ItemsView, KeysView, ValuesView
from http.cookiejar import CookieJar
from typing import Any, assert_type

import httpfast


def urls(url: httpfast.URL) -> None:
    assert_type(httpfast.URL("https://example.org/", params={"a": [1, 2]}), httpfast.URL)
    assert_type(httpfast.URL(scheme="https", host="example.org", port=8443), httpfast.URL)
    assert_type(url.scheme, str)
    assert_type(url.raw_scheme, bytes)
    assert_type(url.userinfo, bytes)
    assert_type(url.username, str)
    assert_type(url.password, str)
    assert_type(url.host, str)
    assert_type(url.raw_host, bytes)
    assert_type(url.port, int | None)
    assert_type(url.netloc, bytes)
    assert_type(url.path, str)
    assert_type(url.query, bytes)
    assert_type(url.params, httpfast.QueryParams)
    assert_type(url.raw_path, bytes)
    assert_type(url.fragment, str)
    assert_type(url.is_absolute_url, bool)
    assert_type(url.is_relative_url, bool)
    assert_type(url.origin, httpfast.Origin)
    assert_type(url.raw, tuple[bytes, bytes, int | None, bytes])
    assert_type(url.join("/other"), httpfast.URL)
    assert_type(url.copy_with(port=None, path="/"), httpfast.URL)
    assert_type(url.copy_set_param("a", 1), httpfast.URL)
    assert_type(url.copy_add_param("a", "b"), httpfast.URL)
    assert_type(url.copy_remove_param("a"), httpfast.URL)
    assert_type(url.copy_merge_params({"a": None}), httpfast.URL)
    assert_type(str(url), str)
    assert_type(hash(url) == hash(httpfast.URL(url)), bool)


def headers(fields: httpfast.Headers) -> None:
    assert_type(httpfast.Headers({"a": "b"}), httpfast.Headers)
    assert_type(httpfast.Headers([(b"a", b"b")], encoding="ascii"), httpfast.Headers)
    assert_type(fields["a"], str)
    assert_type(fields.get("a"), Any)
    assert_type(fields.get_list("a", split_commas=True), list[str])
    assert_type(fields.multi_items(), list[tuple[str, str]])
    assert_type(fields.raw, list[tuple[bytes, bytes]])
    assert_type(fields.encoding, str)
    assert_type(fields.keys(), KeysView[str])
    assert_type(fields.values(), ValuesView[str])
    assert_type(fields.items(), ItemsView[str, str])
    assert_type(fields.copy(), httpfast.Headers)
    assert_type(fields.update({"a": "b"}), None)
    assert_type("a" in fields, bool)
    assert_type(list(fields), list[str])
    fields["a"] = "b"
    fields.encoding = "utf-8"
    del fields["a"]


def queries(query: httpfast.QueryParams) -> None:
    assert_type(httpfast.QueryParams("a=b"), httpfast.QueryParams)
    assert_type(httpfast.QueryParams(a=1, b=None), httpfast.QueryParams)
    assert_type(query["a"], str)
    assert_type(query.get("a"), Any)
    assert_type(query.get_list("a"), list[str])
    assert_type(query.multi_items(), list[tuple[str, str]])
    assert_type(query.keys(), KeysView[str])
    assert_type(query.values(), ValuesView[str])
    assert_type(query.items(), ItemsView[str, str])
    assert_type(query.set("a", True), httpfast.QueryParams)
    assert_type(query.add("a", 1.5), httpfast.QueryParams)
    assert_type(query.remove("a"), httpfast.QueryParams)
    assert_type(query.merge([("a", "b")]), httpfast.QueryParams)
    assert_type(list(query), list[str])


def cookies(jar: httpfast.Cookies, response: httpfast.Response, request: httpfast.Request) -> None:
    assert_type(httpfast.Cookies({"a": "b"}), httpfast.Cookies)
    assert_type(httpfast.Cookies([("a", "b")]), httpfast.Cookies)
    assert_type(httpfast.Cookies(CookieJar()), httpfast.Cookies)
    assert_type(jar.jar, CookieJar)
    assert_type(jar["a"], str)
    assert_type(jar.get("a", domain="example.org", path="/"), str | None)
    assert_type(jar.set("a", "b", domain="example.org", path="/"), None)
    assert_type(jar.delete("a"), None)
    assert_type(jar.clear(domain="example.org"), None)
    assert_type(jar.update({"a": "b"}), None)
    assert_type(jar.extract_cookies(response), None)
    assert_type(jar.set_cookie_header(request), None)
    assert_type(list(jar), list[str])
    jar["a"] = "b"


def timeouts(timeout: httpfast.Timeout) -> None:
    httpfast.Timeout(None)
    httpfast.Timeout(5)
    httpfast.Timeout((1.0, 2.0, 3.0, None))
    httpfast.Timeout(connect=1, read=2, write=3, pool=4)
    httpfast.Timeout(timeout, total=30)
    assert_type(timeout.connect, float | None)
    assert_type(timeout.read, float | None)
    assert_type(timeout.write, float | None)
    assert_type(timeout.pool, float | None)
    assert_type(timeout.total, float | None)
    assert_type(timeout.as_dict(), dict[str, float | None])


def figures(stats: httpfast.PoolStats, timings: httpfast.Timings) -> None:
    assert_type(stats.connections, int)
    assert_type(stats.origins, dict[str, httpfast.PoolStats])
    assert_type(timings.first_byte, float)
    assert_type(timings.total, float)


def limits(limit: httpfast.Limits) -> None:
    assert_type(limit.max_connections, int | None)
    assert_type(limit.max_keepalive_connections, int | None)
    assert_type(limit.keepalive_expiry, float | None)
    assert_type(limit.max_connections_per_host, int | None)


def proxies(context: ssl.SSLContext) -> None:
    proxy = httpfast.Proxy("http://localhost", ssl_context=context, auth=("a", "b"), headers={"c": "d"})
    assert_type(proxy.url, httpfast.URL)
    assert_type(proxy.auth, tuple[str, str] | None)
    assert_type(proxy.headers, httpfast.Headers)
    assert_type(proxy.raw_auth, tuple[bytes, bytes] | None)
    assert_type(proxy.ssl_context, ssl.SSLContext | None)
    assert_type(httpfast.create_ssl_context(verify=context), ssl.SSLContext)
