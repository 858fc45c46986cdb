"""The plain exchange: a request that needs nothing but its client's settings, and an answer that is all there.

Nine of ten requests are plain, and most of their cost would be the making of Python objects. Here the public models are
put together of ready parts: a Request and a Response are each one copied dict, an Exchange is filled without parsing
arguments. Whatever is not plain (hooks, authentication, cookies, redirects, arguments, subclasses and patches that
change what a request is) takes the way through the clients' own Python code, which means the same.

    ready_request ─► Request ─► transport: exchange_of ─► checkout ─► connection ─► whole_response ─► is_finished
"""
import sys
from time import perf_counter

cimport cython
from cpython.dict cimport PyDict_Contains, PyDict_Copy, PyDict_GetItemWithError
from cpython.object cimport PyObject

from .clock cimport monotonic
from .exchange cimport Exchange, seconds
from .pool cimport PooledConnection, PoolState

from httpfast._request import Request
from httpfast._response import Response
from httpfast._types import ByteStream

cdef extern from "Python.h":
    object PyType_GenericAlloc(type kind, Py_ssize_t items)
    dict PyObject_GenericGetDict(object instance, void* unused)
    # Changes whenever the type, or one that it inherits from, is changed; 0 while it has none.
    unsigned int type_version "httpfast_type_version" (object kind) noexcept

cdef extern from *:
    """
    static inline unsigned int httpfast_type_version(PyObject *kind) { return ((PyTypeObject *)kind)->tp_version_tag; }
    """

# A body up to this many octets goes out in one write with its head; a larger one in pieces of this size.
PIECE_BYTES = 65536

cdef enum:
    PIECE_LIMIT = 65536


# Methods for which nothing is said about a body that is not there, as `Request` spells them.
cdef dict BODILESS = {method: method for method in ("GET", "HEAD", "OPTIONS", "DELETE")}
cdef dict WITH_CONTENT = {method: method for method in ("POST", "PUT", "PATCH")}

# What is the same in every Response that `whole_response` makes.
cdef dict WHOLE = {
    "status_code": 0,
    "_head": None,
    "_connection": None,
    "_raw": b"",
    "_content": b"",
    "is_closed": True,
    "is_stream_consumed": True,
    "_request": None,
    "_started": 0.0,
    "_finished": None,
}


cdef inline object get(dict state, object name):
    """The value, or None."""
    cdef PyObject* found = PyDict_GetItemWithError(state, name)
    return None if found == NULL else <object>found


cdef object new(type kind, dict state):
    """An instance without `__init__`, whose `__dict__` is `state`."""
    instance = PyType_GenericAlloc(kind, 0)
    # Not PyObject_GenericSetDict: from 3.13 on that leaves the values alone which an instance keeps without a dict.
    instance.__dict__ = state
    return instance


# Logging

@cython.final
cdef class Listener:
    """Whether anybody listens to a logger, which is asked for each request.

    Where nobody has imported logging yet nobody can listen, and it is not imported for this: it takes a third of the
    time that this package takes. Loggers remember the answer by level until a level or a handler changes; that memory
    is asked first, and trusted when it says no.
    """

    cdef str name
    cdef object level
    cdef object logger
    cdef dict known

    def __cinit__(self, str name, level):
        self.name = name
        self.level = level

    cdef object listening(self):
        """The logger if anybody listens to it, else None."""
        cdef PyObject* found
        if self.logger is None:
            logging = sys.modules.get("logging")
            if logging is None:
                return None
            self.logger = logging.getLogger(self.name)
            self.known = getattr(self.logger, "_cache", {})
        found = PyDict_GetItemWithError(self.known, self.level)
        if found != NULL and <object>found is False:
            return None
        return self.logger if self.logger.isEnabledFor(self.level) else None


cdef Listener requests_log = Listener.__new__(Listener, "httpfast", 20)             # logging.INFO
cdef Listener steps_log = Listener.__new__(Listener, "httpfast.http11", 10)         # logging.DEBUG


def info_logger():
    """The logger for requests if anybody listens to it, else None."""
    return requests_log.listening()


# Requests

def originals(type kind) -> dict:
    """What a class and its bases define: name -> attribute. While that is so, `is_untouched` is True."""
    found = {}
    for base in kind.__mro__:
        for name, attribute in vars(base).items():
            if base is not object and not (name.startswith("__") and name.endswith("__")):
                found.setdefault(name, attribute)
    return found


def is_untouched(client, dict defined) -> bool:
    """True when neither the client, nor its class, nor a subclass has replaced one of the attributes in `defined`."""
    found = originals(type(client))
    return not any(name in client.__dict__ or found.get(name) is not attribute for name, attribute in defined.items())


@cython.final
cdef class Settings:
    """What decides whether a client's requests are plain, at hand without asking the client.

    The client makes one when it is needed, and forgets it when anything is assigned to it: so the objects here are the
    client's own, and what can still change is what they hold.

    Args:
        client: whose settings.
        is_plain: it has no authentication, and neither it nor its class has a method that is not httpfast's.
        version: of the class, which changes when the class does.
    """

    cdef bint is_plain
    cdef unsigned int version
    cdef dict hooks, parts_of
    cdef dict cookies, headers, timeout         # the state of these objects

    def __init__(self, client, bint is_plain, unsigned int version):
        self.is_plain = is_plain
        self.version = version
        self.hooks = client._event_hooks
        self.parts_of = client._parts_of
        self.cookies = client._cookies.__dict__
        self.headers = client._headers.__dict__
        self.timeout = client._timeout.__dict__


cdef Settings settings_of(object client):
    """The client's settings, if there is nothing in them that needs more than a transport; else None."""
    cdef object found = get(PyObject_GenericGetDict(client, NULL), "_settings")
    cdef unsigned int version = type_version(type(client))
    cdef Settings settings
    if found is None or (<Settings>found).version != version or version == 0:
        found = client._make_settings(version)
    settings = <Settings>found
    if (
        not settings.is_plain
        or get(settings.hooks, "request")
        or get(settings.hooks, "response")
        or get(settings.hooks, "informational")
        or PyDict_Contains(settings.cookies, "jar")
    ):
        return None
    return settings


@cython.final
cdef class Parts:
    """What a client's requests to one URL are made of. It never changes, so that they can share it.

    Args:
        url: the URL.
        fields: the request's fields when it has no body: (name, lower-case name, value) triples.
        client_fields: the client's own fields that these were made of.
        timeouts: seconds by phase.
        takes_content: the fields leave it to a body to describe itself.
    """

    cdef readonly object url
    cdef readonly tuple fields, client_fields
    cdef readonly dict timeouts
    cdef bint takes_content, has_userinfo, has_total
    cdef tuple key
    cdef bytes target
    cdef double read_timeout, write_timeout
    cdef dict state                     # of a request without a body, but for its method

    def __init__(self, url, tuple fields not None, tuple client_fields not None, dict timeouts not None,
                 bint takes_content):
        self.url = url
        self.key = url._origin_key
        self.target = url._target
        self.has_userinfo = bool(url.userinfo)
        self.has_total = "total" in timeouts
        self.fields = fields
        self.client_fields = client_fields
        self.takes_content = takes_content
        self.timeouts = timeouts
        self.read_timeout = seconds(timeouts, "read")
        self.write_timeout = seconds(timeouts, "write")
        self.state = {"method": "", "url": url, "_parts": self, "_content": b""}


cdef Parts plain_parts(object client, object url):
    """The parts of a plain request to a URL, or None."""
    cdef Parts parts = None
    cdef Settings settings
    if type(url) is not str:
        return None
    settings = settings_of(client)
    if settings is None:
        return None
    found = get(settings.parts_of, url)
    if found is not None:
        parts = <Parts>found
    if (
        parts is None
        or parts.client_fields is not get(settings.headers, "_fields")
        or parts.timeouts is not get(settings.timeout, "_shared_dict")
    ):
        parts = client._make_parts(url)
    # Userinfo is authentication, and a total timeout begins with the sending.
    return None if parts is None or parts.has_userinfo or parts.has_total else parts


cdef Parts parts_for(object client, object url, bint plain):
    """The parts of the client's requests to a URL, or None."""
    if plain:
        return plain_parts(client, url)
    if type(url) is not str:
        return None
    parts = client._parts_of.get(url)
    if (
        parts is None
        or (<Parts>parts).client_fields is not client._headers._fields
        or (<Parts>parts).timeouts is not client._timeout._extension
    ):
        parts = client._make_parts(url)
    return parts


cdef object request_of(Parts parts, object method, bint whole):
    cdef dict state = PyDict_Copy(parts.state)
    state["method"] = method
    if whole:
        state["_wants_whole"] = True
    return new(Request, state)


def ready_request(client, method, url, bint plain, bint whole=True):
    """A Request without a body, of parts that the client has ready for this URL; None when it takes more than those.

    Args:
        plain: only if there is nothing to do but to hand it to the client's transport and to return the response.
        whole: and that with its body.
    """
    cdef Parts parts
    name = get(BODILESS, method) if type(method) is str else None
    if name is None:
        return None
    parts = parts_for(client, url, plain)
    return None if parts is None else request_of(parts, name, plain and whole)


def ready_parts(client, method, url, bint plain):
    """The parts for `request_with`, if a Request with a body can be made of them; else None. Arguments as there."""
    cdef Parts parts
    if type(method) is not str or method not in WITH_CONTENT:
        return None
    parts = parts_for(client, url, plain)
    return parts if parts is not None and parts.takes_content else None


def request_with(Parts parts not None, str method not None, bytes content not None, tuple fields not None, bint plain):
    """As `ready_request`, with a body.

    Args:
        parts: what `ready_parts` has returned.
        content: the body.
        fields: the fields that describe it.
    """
    request = request_of(parts, WITH_CONTENT[method], plain)
    state = PyObject_GenericGetDict(request, NULL)
    state["_content"] = content
    state["_ready_fields"] = parts.fields + fields
    return request


# Exchanges

def exchange_of(request) -> Exchange:
    """A request as the pool and a connection take it."""
    cdef dict state = request.__dict__
    cdef Exchange exchange = Exchange.__new__(Exchange)
    cdef bytes body = None
    cdef Parts parts = None
    exchange.collect = get(state, "_wants_whole") is True
    found = get(state, "_parts")
    if (
        found is not None
        and not PyDict_Contains(state, "headers")
        and not PyDict_Contains(state, "extensions")
        and get(state, "url") is (<Parts>found).url
        and type(get(state, "method")) is str
    ):
        # Nobody has looked at what the client has put together.
        parts = <Parts>found
        exchange.method = state["method"]
        exchange.key = parts.key
        exchange.target = parts.target
        exchange.read_timeout = parts.read_timeout
        exchange.write_timeout = parts.write_timeout
        fields = get(state, "_ready_fields")
        exchange.fields_sent = parts.fields if fields is None else fields
        found = get(parts.timeouts, "total")
        if found is not None:
            exchange.deadline = monotonic() + <double>found
    else:
        take_arguments(exchange, request)
    if exchange.is_traced or steps_log.listening() is not None:
        # One step at a time, so that each can be told about.
        exchange.is_traced = exchange.is_special = True
        exchange.collect = False

    stream = get(state, "stream")
    if stream is None:
        found = get(state, "_content")
        body = b"" if found is None else found
    elif type(stream) is ByteStream:
        body = stream._stream
    if body and (len(body) > PIECE_LIMIT or (parts is None and request.headers._get_raw(b"expect") is not None)):
        body = None
    exchange.body_sent = body
    return exchange


cdef int take_arguments(Exchange exchange, object request) except -1:
    """Fill an exchange with what a request says, but for its body."""
    url, extensions = request.url, request.extensions
    exchange.method = request.method
    exchange.key = url._origin_key
    exchange.target = url._target
    exchange.fields_sent = request.headers._fields
    timeouts = extensions.get("timeout")
    if timeouts is not None:
        exchange.read_timeout = seconds(<dict?>timeouts, "read")
        exchange.write_timeout = seconds(<dict>timeouts, "write")
        total = get(<dict>timeouts, "total")
        if total is not None:
            # A client starts the clock when it begins to send, which may be some redirects ago.
            exchange.deadline = extensions.get("deadline") or monotonic() + <double>total
    if len(extensions) > (timeouts is not None):
        name = extensions.get("target")
        if name is not None:
            exchange.target = name.encode("utf-8") if isinstance(name, str) else name
        name = extensions.get("sni_hostname")
        if name is not None:
            exchange.key += (name.decode("latin-1") if isinstance(name, bytes) else name,)
        name = extensions.get("priority")
        if name is not None:
            add_priority(exchange, name)
        exchange.heeds_hints = extensions.get("informational") is not None
        exchange.is_traced = (
            exchange.heeds_hints or extensions.get("trace") is not None or bool(extensions.get("timings"))
        )
        exchange.has_proxy = "proxy" in extensions
        name = extensions.get("protocol")
        if name is not None:
            exchange.protocol = name.encode("ascii") if isinstance(name, str) else bytes(name)
        exchange.is_special = exchange.has_proxy or exchange.protocol is not None
    return 0


cdef int add_priority(Exchange exchange, object priority) except -1:
    """Say how urgent the response is (RFC 9218, 5), unless the request's fields do."""
    cdef tuple field
    for field in exchange.fields_sent:
        if field[1] == b"priority":
            return 0
    value = priority.encode("ascii") if isinstance(priority, str) else bytes(priority)
    exchange.fields_sent += ((b"Priority", b"priority", value),)
    return 0


def checkout(PoolState state not None, Exchange exchange not None):
    """An idle connection to the exchange's origin, or None."""
    return state.checkout(exchange.key, monotonic())


def checkout_under(lock, PoolState state not None, Exchange exchange not None):
    """As `checkout`, while holding a lock."""
    lock.acquire()
    try:
        return state.checkout(exchange.key, monotonic())
    finally:
        lock.release()


def release_under(lock, PoolState state not None, PooledConnection connection):
    """A thread is through with a connection: as `PoolState.release`, while holding a lock."""
    lock.acquire()
    try:
        return state.release(connection, monotonic())
    finally:
        lock.release()


# Responses

def whole_response(Exchange exchange not None, PooledConnection connection):
    """A response whose body is all there. Everything else about it is made when somebody asks."""
    cdef dict state = PyDict_Copy(WHOLE)
    cdef bytes raw = exchange.body.take()
    state["status_code"] = exchange.status_code
    state["_head"] = exchange
    state["_connection"] = connection
    state["_raw"] = raw
    if exchange.has_content_encoding:
        del state["_content"], state["is_closed"], state["is_stream_consumed"]
    else:
        state["_content"] = raw
    return new(Response, state)


def is_finished(client, request, response, started) -> bool:
    """Complete a response that has come from a transport. False, and nothing is done, when it needs a closer look."""
    cdef dict own, state
    if type(response) is not Response:
        return False
    state = PyObject_GenericGetDict(response, NULL)
    head = get(state, "_head")
    if (
        type(head) is not Exchange
        or not 200 <= <int>get(state, "status_code") < 300
        or (<Exchange>head).has_set_cookie
        or get(state, "_content") is None
        or get(state, "_raw") is None
        or PyDict_Contains(state, "headers")
        or requests_log.listening() is not None
    ):
        return False
    own = PyObject_GenericGetDict(client, NULL)
    state["_request"] = request
    state["_started"] = started
    state["_finished"] = perf_counter()
    encoding = own["_default_encoding"]
    if encoding != "utf-8":
        state["default_encoding"] = encoding
    return True
