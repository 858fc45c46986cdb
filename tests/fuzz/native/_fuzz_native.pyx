# cython: overflowcheck=False
"""Drives libFuzzer without a detour: the targets `h1` and `hpack` in C, and any of Python's with little around it.

Only the build variant "fuzz" has it. What an input means, and what has to hold, is written down once more in
`tests/fuzz/engines.py`, in Python, for the default suite; here are two things more: each read comes in memory of
just its size, so that AddressSanitizer sees a look behind it, and large bodies are read straight into their place.
"""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memcpy, strdup

from cpython.bytes cimport PyBytes_FromStringAndSize

from httpfast._cext.exchange cimport Exchange
from httpfast._cext.h1 cimport H1Engine
from httpfast._cext.headers cimport RequestHead
from httpfast._cext.hpack cimport HpackDecoder, HpackEncoder

import os
import sys
import traceback

from httpfast._cext.hpack import HpackError
from httpfast._exceptions import RemoteProtocolError

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <time.h>
    int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*callback)(const uint8_t*, size_t));
    static int64_t fuzz_cpu_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    """
    int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*callback)(const uint8_t*, size_t) noexcept) except? -1
    int64_t cpu_ns "fuzz_cpu_ns" () noexcept nogil

cdef enum:
    NANOSECONDS = 1000000000           # that an input may take, of the processor's time

ctypedef int (*Target)(const uint8_t* data, Py_ssize_t size) except -1

cdef Target chosen = NULL
cdef object python_target = None
cdef int64_t slowest = 0


class Finding(AssertionError):
    """Something that has to hold does not."""


cdef int python(const uint8_t* data, Py_ssize_t size) except -1:
    python_target(PyBytes_FromStringAndSize(<const char*>data, size))
    return 0


cdef int one(const uint8_t* data, size_t size) noexcept:
    """What libFuzzer calls. An exception that gets here ends the run as a crash does."""
    global slowest
    cdef int64_t began = cpu_ns(), took
    try:
        chosen(data, <Py_ssize_t>size)
        took = cpu_ns() - began
        if took > slowest:
            if took > slowest + slowest // 4:
                os.write(2, b"slowest: %d us\n" % (took // 1000))
            slowest = took
            if took > NANOSECONDS:
                raise Finding(f"{took / 1e9:.1f} seconds for an input of {size} octets")
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        abort()
    return 0


def run(target, list arguments not None):
    """Fuzz. Does not return.

    Args:
        target: "h1", "hpack", or a function that takes octets.
        arguments: for libFuzzer, without the program's name.
    """
    global chosen, python_target
    cdef int count = len(arguments) + 1
    cdef char** argv = <char**>malloc((count + 1) * sizeof(char*))
    cdef int i
    python_target = target
    if target == "h1":
        chosen = h1
    elif target == "hpack":
        chosen = hpack
    else:
        chosen = python
    argv[0] = strdup(b"fuzz")
    argv[count] = NULL
    for i in range(1, count):
        argument = os.fsencode(arguments[i - 1])
        argv[i] = strdup(<char*>argument)
    os._exit(LLVMFuzzerRunDriver(&count, &argv, one))


# HTTP/1.1

def head_of(*fields):
    return RequestHead(tuple([(name, name.lower(), value) for name, value in ((b"Host", b"a"), *fields)]))


# As H1_REQUESTS in engines.py.
cdef tuple requests = (
    (b"GET", head_of(), b""),
    (b"HEAD", head_of(), b""),
    (b"CONNECT", head_of(), b""),
    (b"GET", head_of((b"Connection", b"upgrade"), (b"Upgrade", b"websocket")), b""),
    (b"POST", head_of((b"Content-Length", b"2")), b"ab"),
    (b"POST", head_of((b"Transfer-Encoding", b"chunked")), None),
    (b"GET", head_of((b"Connection", b"close")), b""),
    (b"PUT", head_of((b"Content-Length", b"9"), (b"Expect", b"100-continue")), None),
)

cdef enum:
    KIND = 7
    COLLECT = 8
    END = 16
    TRUNCATION = 32
    DIRECT = 64
    AGAIN = 128


cdef Exchange begin(H1Engine engine, int options):
    cdef tuple request = <tuple>requests[options & KIND]
    cdef Exchange exchange = Exchange.__new__(Exchange)
    exchange.collect = (options & COLLECT) != 0
    engine.send_request(exchange, <bytes>request[0], b"/", <RequestHead>request[1], <bytes>request[2])
    return exchange


cdef int receive_piece(H1Engine engine, const char* data, Py_ssize_t size, int options) except -1:
    """One read: straight into the body where drivers would do that, or from memory of just its size."""
    cdef char* copy
    cdef Py_ssize_t room
    if options & DIRECT:
        while size and engine.is_direct():
            room = min(size, engine.exchange.body.capacity - engine.exchange.body.filled)
            room = <Py_ssize_t>min(<int64_t>room, engine.missing)
            memcpy(engine.exchange.body.tail(), data, room)
            engine.received_direct(room)
            data += room
            size -= room
    if size == 0:
        return 0
    copy = <char*>malloc(size)
    memcpy(copy, data, size)
    try:
        engine.receive(copy, size)
    finally:
        free(copy)
    return 0


cdef tuple outcome(H1Engine engine, Exchange exchange, const char* data, Py_ssize_t size, int options, int seed):
    """All that can be seen after these octets. `seed`: of the cuts; -1 for none."""
    cdef list body = []
    cdef Py_ssize_t length
    cdef bint failed = False
    cdef int state = seed
    try:
        while size:
            length = size
            if seed == 0:
                length = 1
            elif seed > 0:
                state = (state * 73 + 41) & 255
                length = min(size, <Py_ssize_t>(1 + (state & 31)))
            receive_piece(engine, data, length, options)
            data += length
            size -= length
            if not options & COLLECT and exchange.body.filled:
                body.append(exchange.take_body())
        if options & END:
            engine.receive_end((options & TRUNCATION) != 0)
    except RemoteProtocolError:
        failed = True
    if exchange.body.filled:
        body.append(exchange.take_body())
    if failed:
        if not engine.is_dead or engine.can_reuse() or exchange.is_complete:
            raise Finding("an engine that has failed goes on")
        return True, b"".join(body)
    return (
        False,
        b"".join(body),
        exchange.status_code,
        exchange.http_version,
        exchange.raw,
        exchange.fields,
        exchange.reason_phrase,
        exchange.trailers,
        exchange.informational,
        exchange.is_complete,
        exchange.is_tunnel,
        engine.can_reuse(),
        engine.has_surplus,
    )


cdef int h1(const uint8_t* data, Py_ssize_t size) except -1:
    """As `h1` in engines.py."""
    cdef int options, seed
    cdef H1Engine engine
    cdef const char* stream = <const char*>data + 2
    cdef tuple whole, split
    if size < 2:
        return 0
    options, seed = data[0], data[1]
    size -= 2
    engine = H1Engine.__new__(H1Engine)
    whole = outcome(engine, begin(engine, options), stream, size, options & ~DIRECT, -1)
    if options & AGAIN and engine.can_reuse():
        split = outcome(engine, begin(engine, options), stream, size, options, seed)
        if split != whole:
            raise Finding(f"a first response is {whole}, and the same as a second one {split}")
        return 0
    engine = H1Engine.__new__(H1Engine)
    split = outcome(engine, begin(engine, options), stream, size, options, seed)
    if split != whole:
        raise Finding(f"whole {whole}, in pieces {split}")
    return 0


# HPACK

# As TABLE_SIZES in engines.py.
cdef Py_ssize_t[8] table_sizes = [4096, 0, 64, 100, 1000, 8192, 65536, 4095]


cdef tuple triples(tuple fields):
    return tuple([(name, name, value) for name, value in fields])


cdef int check_round(HpackEncoder encoder, HpackDecoder mirror, tuple fields) except -1:
    """What is encoded, and encoded again, has to be what a peer reads."""
    cdef tuple sent = triples(fields)
    cdef bytes block
    cdef int _
    for _ in range(2):
        block = encoder.encode((), sent)
        if mirror.decode(<char*>block, len(block)) != fields:
            raise Finding(f"{fields} is not what {block} is read as")
        if encoder.size != mirror.size or encoder.max_size < encoder.size:
            raise Finding(f"the encoder's table has {encoder.size} octets, the decoder's {mirror.size}")
    return 0


cdef int hpack(const uint8_t* data, Py_ssize_t size) except -1:
    """As `hpack` in engines.py."""
    cdef const uint8_t* end = data + size
    cdef HpackDecoder decoder, mirror
    cdef HpackEncoder encoder
    cdef Py_ssize_t length, table_size
    cdef int options
    cdef char* copy
    cdef tuple fields
    if size < 1:
        return 0
    options = data[0]
    data += 1
    decoder = HpackDecoder(table_sizes[options & 7], max_list_size=300 if options & 8 else 262144)
    mirror = HpackDecoder()
    encoder = HpackEncoder(65536 if options & 16 else 4096)
    while data < end:
        length = data[0]
        data += 1
        if length >= 248:
            table_size = table_sizes[length & 7]
            if options & 32:
                decoder.set_max_size(table_size)
            mirror.set_max_size(table_size)
            encoder.set_max_size(table_size)
            continue
        if length >= 240:
            if data == end:
                return 0
            length = (length - 239) * 256 + data[0]
            data += 1
        length = min(length, end - data)
        copy = <char*>malloc(length or 1)
        memcpy(copy, data, length)
        data += length
        try:
            fields = decoder.decode(copy, length)
        except HpackError:
            return 0
        finally:
            free(copy)
        if decoder.size > decoder.max_size:
            raise Finding(f"a table of {decoder.size} octets where {decoder.max_size} are allowed")
        if fields is not None and not options & 64:
            check_round(encoder, mirror, fields)
    return 0
