# cython: overflowcheck=False
# (Hashes wrap, and in checked builds Cython takes a difference of pointers for one of integers.)
"""HPACK for one connection: HpackEncoder for what is sent, HpackDecoder for what is received (RFC 7541). See the .pxd.

Heads repeat, so both keep what they have done. An encoded head is good for as long as the table is the same. A block
that came before means the same fields while the table is the same, or whatever the table is when it has no index of
it; what it adds to the table is added each time.

Everything a peer can grow is bounded: the table by our SETTINGS_HEADER_TABLE_SIZE, the list by octets and fields.
Beyond those a block is still read to its end, or the table would be out of step, but nothing of it is kept (RFC 9113,
10.5.1).
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from .huffman cimport HUFFMAN_EOS, huffman_decode, huffman_encode, huffman_size

from httpfast._exceptions import RemoteProtocolError

cdef extern from "Python.h":
    # By pointer and not by object: what a table or a tuple owns needs no reference of ours while it is looked at.
    void incref "Py_INCREF" (PyObject*) noexcept
    void decref "Py_DECREF" (PyObject*) noexcept
    Py_hash_t hash_of "PyObject_Hash" (PyObject*) noexcept       # of exact bytes: cannot fail
    bint is_bytes "PyBytes_CheckExact" (PyObject*) noexcept
    bint is_tuple "PyTuple_CheckExact" (PyObject*) noexcept
    char* octets_of "PyBytes_AS_STRING" (PyObject*) noexcept
    Py_ssize_t size_of "PyBytes_GET_SIZE" (PyObject*) noexcept
    Py_ssize_t length_of "PyTuple_GET_SIZE" (PyObject*) noexcept
    PyObject* item_of "PyTuple_GET_ITEM" (PyObject*, Py_ssize_t) noexcept
    tuple new_tuple "PyTuple_New" (Py_ssize_t)
    void give_item "PyTuple_SET_ITEM" (PyObject*, Py_ssize_t, PyObject*) noexcept

# SETTINGS_HEADER_TABLE_SIZE before anybody says otherwise (RFC 9113, 6.5.2), and the most that the encoder will use:
# nghttp2 and Go keep to 4,096 whatever a peer allows; curl, Chromium and Firefox announce up to 65,536.
DEFAULT_TABLE_SIZE = 4096
MAX_TABLE_SIZE = 64 * 1024
# Limits on what a peer can make us hold, those of an HTTP/1 head.
MAX_LIST_SIZE = 256 * 1024
MAX_FIELDS = 1000

cdef enum:
    TABLE_DEFAULT = 4096               # the four of above; C wants literals
    TABLE_LIMIT = 65536
    LIST_LIMIT = 262144
    FIELD_LIMIT = 1000
    ENTRY_OVERHEAD = 32                # RFC 7541, 4.1; the same in RFC 9113, 6.5.2
    STATIC_LENGTH = 61
    INDEXED = 0x80                     # what the first octet of each representation says (RFC 7541, 6), and the bits
    INDEXED_MASK = 0x7F                # that its integer has there
    INSERTING = 0x40
    INSERTING_MASK = 0x3F
    UPDATE = 0x20
    UPDATE_BITS = 0xE0
    UPDATE_MASK = 0x1F
    NEVER = 0x10
    PLAIN = 0x00
    LITERAL_MASK = 0x0F
    STRING_MASK = 0x7F
    CODED = 0x80                       # of a string: it is in Huffman code
    INTEGER_SHIFTS = 28                # of the fifth octet after the prefix; 2**31 needs no more (5.1: ours to choose)
    SHORT_COOKIE = 20                  # octets; see `static_fields`
    FIELD_PREFIXES = 24                # octets at most of the integers before name and value, and of two size updates
    SPARE_OCTETS = 512                 # for a string that turns out longer in Huffman code: 126 * 3.75
    KEPT_BUFFER = 16384                # octets of buffer that stay for the next head
    KNOWN_HEAD_SIZE = 4096             # octets of a block that is kept: 64 of them are 256 KiB
    KNOWN_BLOCK_SIZE = 512
    KNOWN_FIELDS = 64                  # bits of KnownBlock.inserting
    SMALL_STRING = 1024

cdef int64_t INTEGER_LIMIT = 0x7FFFFFFF
cdef uint64_t KEY_FACTOR = 0x9E3779B97F4A7C15U    # 2**64 over the golden ratio: spreads keys that are alike


class HpackError(RemoteProtocolError):
    """A block is not valid, and the peer's table and ours have parted: COMPRESSION_ERROR (RFC 7541, 5 and 6)."""


# The static table (RFC 7541, Appendix A), with how a request field of that name is sent when its value is not in it:
#   "index"   insert it, so that the next one costs an octet
#   "plain"   do not: it says something about this one resource or moment and would only push others out of the table.
#             nghttp2 and curl leave out much the same.
#   "never"   nor may anybody on the way, so that nobody finds the value by guesses compressed beside it (7.1.3)
#   "cookie"  "never" below 20 octets: so few can be guessed; "index" from there on
cdef tuple static_fields = (
    (b":authority", b"", "index"),
    (b":method", b"GET", "index"),
    (b":method", b"POST", "index"),
    (b":path", b"/", "plain"),
    (b":path", b"/index.html", "plain"),
    (b":scheme", b"http", "index"),
    (b":scheme", b"https", "index"),
    (b":status", b"200", "index"),
    (b":status", b"204", "index"),
    (b":status", b"206", "index"),
    (b":status", b"304", "index"),
    (b":status", b"400", "index"),
    (b":status", b"404", "index"),
    (b":status", b"500", "index"),
    (b"accept-charset", b"", "index"),
    (b"accept-encoding", b"gzip, deflate", "index"),
    (b"accept-language", b"", "index"),
    (b"accept-ranges", b"", "index"),
    (b"accept", b"", "index"),
    (b"access-control-allow-origin", b"", "index"),
    (b"age", b"", "plain"),
    (b"allow", b"", "index"),
    (b"authorization", b"", "never"),
    (b"cache-control", b"", "index"),
    (b"content-disposition", b"", "plain"),
    (b"content-encoding", b"", "index"),
    (b"content-language", b"", "index"),
    (b"content-length", b"", "plain"),
    (b"content-location", b"", "plain"),
    (b"content-range", b"", "plain"),
    (b"content-type", b"", "index"),
    (b"cookie", b"", "cookie"),
    (b"date", b"", "plain"),
    (b"etag", b"", "plain"),
    (b"expect", b"", "index"),
    (b"expires", b"", "plain"),
    (b"from", b"", "index"),
    (b"host", b"", "index"),
    (b"if-match", b"", "plain"),
    (b"if-modified-since", b"", "plain"),
    (b"if-none-match", b"", "plain"),
    (b"if-range", b"", "plain"),
    (b"if-unmodified-since", b"", "plain"),
    (b"last-modified", b"", "plain"),
    (b"link", b"", "index"),
    (b"location", b"", "plain"),
    (b"max-forwards", b"", "index"),
    (b"proxy-authenticate", b"", "index"),
    (b"proxy-authorization", b"", "never"),
    (b"range", b"", "plain"),
    (b"referer", b"", "index"),
    (b"refresh", b"", "index"),
    (b"retry-after", b"", "plain"),
    (b"server", b"", "index"),
    (b"set-cookie", b"", "cookie"),
    (b"strict-transport-security", b"", "index"),
    (b"transfer-encoding", b"", "index"),
    (b"user-agent", b"", "index"),
    (b"vary", b"", "index"),
    (b"via", b"", "index"),
    (b"www-authenticate", b"", "index"),
)

cdef enum Treatment:
    SEND_INDEX
    SEND_PLAIN
    SEND_NEVER
    SEND_COOKIE

cdef struct StaticName:
    PyObject* name
    uint64_t name_hash
    int first, last                    # indices of the entries with this name
    Treatment treatment

cdef enum:
    NAME_BUCKETS = 256                 # for 52 names: open addressing, hardly ever a second look

cdef TableEntry[STATIC_LENGTH + 1] static_entries          # by index
cdef StaticName[STATIC_LENGTH + 1] static_names            # the first entry is none
cdef uint8_t[NAME_BUCKETS] name_buckets                    # where in static_names, or 0


cdef inline bint same(PyObject* one, PyObject* other) noexcept:
    """True when two bytes objects hold the same octets."""
    return one == other or (
        size_of(one) == size_of(other) and memcmp(octets_of(one), octets_of(other), size_of(one)) == 0
    )


cdef inline Py_ssize_t entry_size(PyObject* name, PyObject* value) noexcept:
    return size_of(name) + size_of(value) + ENTRY_OVERHEAD


cdef inline uint64_t pair_hash_of(uint64_t name_hash, PyObject* value) noexcept:
    return name_hash * 31 + <uint64_t>hash_of(value)


cdef inline StaticName* static_name(PyObject* name, uint64_t name_hash) noexcept:
    """What is known of a name of the static table, or NULL."""
    cdef uint64_t bucket = name_hash & (NAME_BUCKETS - 1)
    cdef StaticName* found
    while name_buckets[bucket]:
        found = &static_names[name_buckets[bucket]]
        if found.name_hash == name_hash and same(found.name, name):
            return found
        bucket = (bucket + 1) & (NAME_BUCKETS - 1)
    return NULL


cdef int make_static_tables() except -1:
    """The static table by index and by name. Its objects are made here once and never freed."""
    cdef int index = 0, names = 0
    cdef uint64_t bucket
    cdef StaticName* known
    cdef dict treatments = {"index": SEND_INDEX, "plain": SEND_PLAIN, "never": SEND_NEVER, "cookie": SEND_COOKIE}
    for name, value, treatment in static_fields:
        index += 1
        pair = (name, value)
        Py_INCREF(pair)
        static_entries[index].pair = <PyObject*>pair
        static_entries[index].size = entry_size(<PyObject*>name, <PyObject*>value)
        name_hash = <uint64_t>hash_of(<PyObject*>name)
        known = static_name(<PyObject*>name, name_hash)
        if known == NULL:
            names += 1
            known = &static_names[names]
            known.name = <PyObject*>name
            known.name_hash = name_hash
            known.first = index
            known.treatment = treatments[treatment]
            bucket = name_hash & (NAME_BUCKETS - 1)
            while name_buckets[bucket]:
                bucket = (bucket + 1) & (NAME_BUCKETS - 1)
            name_buckets[bucket] = names
        known.last = index
    return 0


make_static_tables()


# Encoding

cdef inline uint8_t* put_integer(uint8_t* out, int first, int mask, int64_t value) noexcept:
    """An integer (5.1) whose prefix is the bits of `mask` in an octet that begins with `first`."""
    if value < mask:
        out[0] = <uint8_t>(first | value)
        return out + 1
    out[0] = <uint8_t>(first | mask)
    out += 1
    value -= mask
    while value >= 128:
        out[0] = <uint8_t>(value | 128)
        out += 1
        value >>= 7
    out[0] = <uint8_t>value
    return out + 1


cdef inline uint8_t* put_string(uint8_t* out, PyObject* octets) noexcept:
    """A string (5.2), in Huffman code where that is shorter."""
    cdef const uint8_t* data = <const uint8_t*>octets_of(octets)
    cdef Py_ssize_t size = size_of(octets), coded
    if size < STRING_MASK:
        # The length is one octet either way: encode to where it would go, and see.
        coded = huffman_encode(data, size, out + 1)
        if coded < size:
            out[0] = <uint8_t>(CODED | coded)
            return out + 1 + coded
    else:
        coded = huffman_size(data, size)
        if coded < size:
            out = put_integer(out, CODED, STRING_MASK, coded)
            return out + huffman_encode(data, size, out)
    out = put_integer(out, 0, STRING_MASK, size)
    memcpy(out, data, size)
    return out + size


cdef Py_ssize_t octets_at_most(tuple fields, Py_ssize_t width) except -1:
    """Room that these fields need in a block. Raises TypeError unless each is a tuple of `width` bytes objects."""
    cdef Py_ssize_t total = 0, i, column
    cdef PyObject* field
    if fields is None:
        raise TypeError("Fields are a tuple, not None")
    for i in range(length_of(<PyObject*>fields)):
        field = item_of(<PyObject*>fields, i)
        if not is_tuple(field) or length_of(field) != width:
            raise TypeError(f"A field is a tuple of {width} bytes objects")
        for column in range(width):
            if not is_bytes(item_of(field, column)):
                raise TypeError(f"A field is a tuple of {width} bytes objects")
        total += size_of(item_of(field, width - 2)) + size_of(item_of(field, width - 1)) + FIELD_PREFIXES
    return total


@cython.final
cdef class HpackEncoder:
    """Encodes the header lists that one connection sends.

    Args:
        limit: octets of dynamic table to use at most, where the peer allows as many; 0 to 65,536.

    Raises:
        ValueError: the limit is out of its range.
    """

    def __cinit__(self):
        self.limit = self.max_size = TABLE_DEFAULT

    def __init__(self, Py_ssize_t limit=TABLE_DEFAULT):
        if not 0 <= limit <= TABLE_LIMIT:
            raise ValueError(f"The limit of a dynamic table is 0 to {TABLE_LIMIT} octets, not {limit}")
        self.limit = limit
        if limit < self.max_size:
            self.set_max_size(limit)

    def __dealloc__(self):
        cdef int i
        for i in range(KNOWN_HEADS):
            Py_XDECREF(self.heads[i].pseudo)
            Py_XDECREF(self.heads[i].fields)
            Py_XDECREF(self.heads[i].block)
        self.evict(0)
        PyMem_Free(self.entries)
        PyMem_Free(self.buffer)

    cpdef bytes encode(self, tuple pseudo, tuple fields):
        """The block of a header list.

        Args:
            pseudo: (name, value) pairs of bytes, the pseudo-fields in their order.
            fields: (name, lower-case name, value) triples of bytes, of which the last two go out. What belongs to the
                connection (RFC 9113, 8.2.2) has to be left out before.

        The same two objects again cost a look-up while the table stays as it is. Raises TypeError, before anything has
        changed, for what is not such a tuple.
        """
        cdef PyObject* key = <PyObject*>pseudo
        cdef PyObject* other_key = <PyObject*>fields
        # Objects lie 16 octets apart and more, and those of one size in rows: take bits from above.
        cdef uint64_t mixed = (<uint64_t>key >> 4) * 31 + (<uint64_t>other_key >> 4)
        cdef KnownHead* group = &self.heads[(mixed ^ (mixed >> 8)) & (KNOWN_HEADS - WAYS)]
        cdef uint64_t before
        cdef Py_ssize_t i
        cdef PyObject* field
        cdef uint8_t* out
        cdef bytes block
        for i in range(WAYS):
            if group[i].fields == other_key and group[i].pseudo == key and group[i].insertions == self.insertions:
                return <bytes>group[i].block
        self.make_room(
            octets_at_most(pseudo, 2) + octets_at_most(fields, 3) + FIELD_PREFIXES + SPARE_OCTETS,
            self.count + length_of(key) + length_of(other_key),
        )
        before = self.insertions
        self.is_for_once = self.owes_update
        out = self.put_updates(self.buffer)
        for i in range(length_of(key)):
            field = item_of(key, i)
            out = self.put_field(out, item_of(field, 0), item_of(field, 1))
        for i in range(length_of(other_key)):
            field = item_of(other_key, i)
            out = self.put_field(out, item_of(field, 1), item_of(field, 2))
        block = PyBytes_FromStringAndSize(<char*>self.buffer, out - self.buffer)
        if before == self.insertions and not self.is_for_once and PyBytes_GET_SIZE(block) <= KNOWN_HEAD_SIZE:
            self.remember(group, key, other_key, block)
        if self.buffer_size > KEPT_BUFFER:
            PyMem_Free(self.buffer)
            self.buffer = NULL
            self.buffer_size = 0
        return block

    cdef int remember(self, KnownHead* group, PyObject* pseudo, PyObject* fields, bytes block) except -1:
        """Keep a block that has changed nothing, in the place of its older self or of one of its group in turn."""
        cdef KnownHead* place = &group[self.next_way & (WAYS - 1)]
        cdef KnownHead old
        cdef int i
        for i in range(WAYS):
            if group[i].fields == fields and group[i].pseudo == pseudo:
                place = &group[i]
                break
        else:
            self.next_way += 1
        old = place[0]
        incref(pseudo)
        incref(fields)
        incref(<PyObject*>block)
        place[0] = KnownHead(pseudo=pseudo, fields=fields, block=<PyObject*>block, insertions=self.insertions)
        Py_XDECREF(old.pseudo)
        Py_XDECREF(old.fields)
        Py_XDECREF(old.block)
        return 0

    cpdef int set_max_size(self, Py_ssize_t size) except -1:
        """The peer's SETTINGS_HEADER_TABLE_SIZE, in octets: obeyed from the next block on, which says so (4.2)."""
        size = min(max(size, 0), self.limit)
        if size == self.max_size:
            return 0
        self.lowest_size = min(self.lowest_size, size) if self.owes_update else size
        self.owes_update = True
        self.max_size = size
        self.insertions += 1
        self.evict(size)
        return 0

    cdef uint8_t* put_updates(self, uint8_t* out) noexcept:
        """The size updates that are due: the smallest there was, then the one that counts (4.2)."""
        if self.owes_update:
            if self.lowest_size < self.max_size:
                out = put_integer(out, UPDATE, UPDATE_MASK, self.lowest_size)
            out = put_integer(out, UPDATE, UPDATE_MASK, self.max_size)
            self.owes_update = False
        return out

    cdef uint8_t* put_field(self, uint8_t* out, PyObject* name, PyObject* value) noexcept:
        """One field, as short as it goes. What `make_room` has seen to cannot fail here."""
        cdef uint64_t name_hash = <uint64_t>hash_of(name), pair_hash
        cdef StaticName* known = static_name(name, name_hash)
        cdef EncoderEntry* entry
        cdef Treatment treatment = SEND_INDEX
        cdef int64_t index = 0
        cdef Py_ssize_t size
        if known != NULL:
            treatment = known.treatment
            if treatment == SEND_COOKIE:
                treatment = SEND_NEVER if size_of(value) < SHORT_COOKIE else SEND_INDEX
            if treatment != SEND_NEVER:
                for index in range(known.first, known.last + 1):
                    if same(item_of(static_entries[index].pair, 1), value):
                        return put_integer(out, INDEXED, INDEXED_MASK, index)
            index = known.first
        if treatment == SEND_INDEX:
            pair_hash = pair_hash_of(name_hash, value)
            entry = self.entry_of_pair(name, value, pair_hash)
            if entry != NULL:
                entry.was_used = True
                return put_integer(out, INDEXED, INDEXED_MASK, self.index_of(entry))
            entry = self.newest_of_name(name, name_hash)
            if entry != NULL:
                if index == 0:
                    index = self.index_of(entry)
                if not entry.was_used and entry.put_off != pair_hash:
                    # The last value of this name was of no use: a number or an id of the request, maybe. Only a value
                    # that comes twice gets in, or such a field would empty the table and spoil each known head.
                    entry.put_off = pair_hash
                    self.is_for_once = True
                    treatment = SEND_PLAIN
            size = entry_size(name, value)
            if treatment == SEND_INDEX and size <= self.max_size - (self.max_size >> 2):
                # One that fills more would push out nearly all the others; nghttp2 draws the same line.
                out = put_integer(out, INSERTING, INSERTING_MASK, index)
                if index == 0:
                    out = put_string(out, name)
                self.insert(name, value, name_hash, pair_hash)
                return put_string(out, value)
        out = put_integer(out, NEVER if treatment == SEND_NEVER else PLAIN, LITERAL_MASK, index)
        if index == 0:
            out = put_string(out, name)
        return put_string(out, value)

    cdef EncoderEntry* entry_of_pair(self, PyObject* name, PyObject* value, uint64_t pair_hash) noexcept:
        """The entry with this name and value, or NULL."""
        cdef uint64_t evicted = self.inserted - self.count, number
        cdef EncoderEntry* entry
        if self.count == 0:
            return NULL
        number = self.entries[pair_hash & self.mask].newest_by_pair
        while number > evicted:
            entry = &self.entries[number & self.mask]
            if entry.pair_hash == pair_hash and same(entry.value, value) and same(entry.name, name):
                return entry
            number = entry.older_by_pair
        return NULL

    cdef EncoderEntry* newest_of_name(self, PyObject* name, uint64_t name_hash) noexcept:
        """The newest entry with this name, or NULL."""
        cdef uint64_t evicted = self.inserted - self.count, number
        cdef EncoderEntry* entry
        if self.count == 0:
            return NULL
        number = self.entries[name_hash & self.mask].newest_by_name
        while number > evicted:
            entry = &self.entries[number & self.mask]
            if entry.name_hash == name_hash and same(entry.name, name):
                return entry
            number = entry.older_by_name
        return NULL

    cdef int64_t index_of(self, EncoderEntry* entry) noexcept:
        """The entry's index on the wire (2.3.3)."""
        return STATIC_LENGTH + 1 + <int64_t>((self.inserted - <uint64_t>(entry - self.entries)) & self.mask)

    cdef void insert(self, PyObject* name, PyObject* value, uint64_t name_hash, uint64_t pair_hash) noexcept:
        """Add an entry that fits (4.4); there is a slot for it."""
        cdef EncoderEntry* entry
        cdef Py_ssize_t size = entry_size(name, value)
        self.evict(self.max_size - size)
        self.insertions += 1
        self.inserted += 1
        entry = &self.entries[self.inserted & self.mask]
        incref(name)
        incref(value)
        entry.name = name
        entry.value = value
        entry.name_hash = name_hash
        entry.pair_hash = pair_hash
        entry.put_off = pair_hash
        entry.was_used = False
        self.count += 1
        self.size += size
        self.link(self.inserted)

    cdef void link(self, uint64_t number) noexcept:
        """Put the newest entry before its two chains."""
        cdef EncoderEntry* entry = &self.entries[number & self.mask]
        cdef EncoderEntry* by_name = &self.entries[entry.name_hash & self.mask]
        cdef EncoderEntry* by_pair = &self.entries[entry.pair_hash & self.mask]
        entry.older_by_name = by_name.newest_by_name
        by_name.newest_by_name = number
        entry.older_by_pair = by_pair.newest_by_pair
        by_pair.newest_by_pair = number

    cdef void evict(self, Py_ssize_t size) noexcept:
        """Drop the oldest entries until the rest take at most `size` octets. Chains end where the evicted begin."""
        cdef EncoderEntry* entry
        while self.size > size:
            entry = &self.entries[(self.inserted - self.count + 1) & self.mask]
            self.size -= entry_size(entry.name, entry.value)
            self.count -= 1
            decref(entry.name)
            decref(entry.value)

    cdef int make_room(self, Py_ssize_t octets, Py_ssize_t entries) except -1:
        """See that the buffer takes so many octets and the table so many entries, as far as its size lets it."""
        cdef EncoderEntry* old = self.entries
        cdef EncoderEntry* new
        cdef EncoderEntry* entry
        cdef uint64_t number, newest_by_name, newest_by_pair, old_mask = self.mask
        cdef Py_ssize_t capacity = max(self.capacity, 16)
        if octets > self.buffer_size:
            PyMem_Free(self.buffer)
            self.buffer_size = 0
            self.buffer = <uint8_t*>PyMem_Malloc(max(octets, 2048))
            if self.buffer == NULL:
                raise MemoryError
            self.buffer_size = max(octets, 2048)
        entries = min(entries, self.max_size // ENTRY_OVERHEAD)
        if entries <= self.capacity:
            return 0
        while capacity < entries:
            capacity *= 2
        new = <EncoderEntry*>PyMem_Calloc(capacity, sizeof(EncoderEntry))
        if new == NULL:
            raise MemoryError
        self.entries = new
        self.capacity = capacity
        self.mask = capacity - 1
        for number in range(self.inserted - self.count + 1, self.inserted + 1):
            entry = &new[number & self.mask]
            newest_by_name = entry.newest_by_name
            newest_by_pair = entry.newest_by_pair
            entry[0] = old[number & old_mask]
            entry.newest_by_name = newest_by_name
            entry.newest_by_pair = newest_by_pair
            self.link(number)
        PyMem_Free(old)
        return 0

    @property
    def entries_by_index(self) -> tuple:
        """The dynamic table as (name, value) pairs, the newest first. For tests."""
        return tuple([
            (
                <bytes>self.entries[(self.inserted - i) & self.mask].name,
                <bytes>self.entries[(self.inserted - i) & self.mask].value,
            )
            for i in range(self.count)
        ])


# Decoding

cdef inline uint64_t key_of(const char* data, Py_ssize_t size) noexcept:
    """A hash of a block, by which it is found again. Its octets are compared, so a collision costs time only."""
    cdef const char* last = data + size - 8
    cdef Py_ssize_t i
    cdef uint64_t key = <uint64_t>size, word
    if size < 8:
        for i in range(size):
            key = key << 8 | <uint8_t>data[i]
        return key * KEY_FACTOR ^ key
    while data < last:
        memcpy(&word, data, 8)
        key = (key ^ word) * KEY_FACTOR
        key ^= key >> 32
        data += 8
    memcpy(&word, last, 8)
    key = (key ^ word) * KEY_FACTOR
    return key ^ key >> 32


@cython.final
cdef class HpackDecoder:
    """Decodes the header lists that one connection receives.

    Args:
        max_size: our SETTINGS_HEADER_TABLE_SIZE in octets. Both ends begin with 4,096 (RFC 9113, 6.5.2): below that,
            the peer's first block has to begin with a size update; above, one may.
        max_list_size: octets of a list at most, counted as SETTINGS_MAX_HEADER_LIST_SIZE is (RFC 9113, 6.5.2).
        max_fields: fields of a list at most.

    After an HpackError it is of no more use.
    """

    def __cinit__(self):
        self.limit = self.max_size = TABLE_DEFAULT
        self.max_list_size = LIST_LIMIT
        self.max_fields = FIELD_LIMIT

    def __init__(
        self,
        Py_ssize_t max_size=TABLE_DEFAULT,
        *,
        Py_ssize_t max_list_size=LIST_LIMIT,
        Py_ssize_t max_fields=FIELD_LIMIT,
    ):
        self.max_list_size = min(<int64_t>max_list_size, INTEGER_LIMIT)
        self.max_fields = max_fields
        self.set_max_size(max_size)

    def __dealloc__(self):
        cdef int i
        for i in range(KNOWN_BLOCKS):
            Py_XDECREF(self.blocks[i].block)
            Py_XDECREF(self.blocks[i].fields)
        self.drop_kept()
        self.evict(0)
        PyMem_Free(self.kept)
        PyMem_Free(self.ring)

    cpdef int set_max_size(self, Py_ssize_t size) except -1:
        """The peer has acknowledged this SETTINGS_HEADER_TABLE_SIZE, in octets.

        When the table is larger, the next block has to begin with an update to the smallest size of late (4.2).
        """
        size = max(size, 0)
        self.limit = size
        if size < self.max_size:
            self.owed_size = min(self.owed_size, size) if self.is_owed_update else size
            self.is_owed_update = True
        return 0

    cdef tuple decode(self, const char* data, Py_ssize_t size):
        """The header list of a whole block, as (name, value) pairs of bytes; None when it is beyond our limits.

        A list beyond the limits is the stream's error and not the connection's: the table is in step. A block that
        comes again gives the same tuple object, where the table means the same to it. Raises HpackError.
        """
        cdef KnownBlock* known
        cdef uint64_t key = 0
        if size <= KNOWN_BLOCK_SIZE and not self.is_owed_update:
            key = key_of(data, size)
            known = self.find(key, data, size)
            if known != NULL:
                if known.inserting:
                    self.insert_again(known)
                return <tuple>known.fields
        return self.decode_new(key, data, size)

    cdef tuple decode_new(self, uint64_t key, const char* data, Py_ssize_t size):
        """The header list of a block that is not known."""
        cdef uint64_t before = self.insertions
        cdef PyObject** kept
        cdef tuple fields
        cdef Py_ssize_t i, count
        self.drop_kept()
        self.make_room(min(size, self.max_fields))
        self.at = <const uint8_t*>data
        self.end = self.at + size
        self.list_size = self.updates = 0
        self.has_literals = self.uses_table = False
        self.inserting = 0
        self.read_block()
        if self.list_size > self.max_list_size:
            return None
        count = self.kept_count
        kept = self.kept
        fields = new_tuple(count)
        for i in range(count):
            give_item(<PyObject*>fields, i, kept[i])
        self.kept_count = 0                        # they are the tuple's now, whatever fails below
        if size <= KNOWN_BLOCK_SIZE and count <= KNOWN_FIELDS and self.updates == 0:
            if before == self.insertions or not self.uses_table:
                self.remember(key, data, size, <PyObject*>fields)
        return fields

    cdef KnownBlock* find(self, uint64_t key, const char* data, Py_ssize_t size) noexcept:
        """What is kept of a block that came before and means the same now, or NULL."""
        cdef KnownBlock* group = &self.blocks[key & (KNOWN_BLOCKS - WAYS)]
        cdef int i
        for i in range(WAYS):
            if (
                group[i].key == key
                and group[i].block != NULL
                and (group[i].is_free_of_table or group[i].insertions == self.insertions)
                and size_of(group[i].block) == size
                and memcmp(octets_of(group[i].block), data, size) == 0
            ):
                return &group[i]
        return NULL

    cdef int insert_again(self, KnownBlock* known) except -1:
        """Add to the table what this block adds each time."""
        cdef uint64_t inserting = known.inserting
        cdef PyObject* pair
        cdef Py_ssize_t i = 0
        while inserting:
            if inserting & 1:
                pair = item_of(known.fields, i)
                self.insert(pair, entry_size(item_of(pair, 0), item_of(pair, 1)))
            inserting >>= 1
            i += 1
        return 0

    cdef int remember(self, uint64_t key, const char* data, Py_ssize_t size, PyObject* fields) except -1:
        """Keep what a block means, in the place of its older self or of one of its group in turn."""
        cdef KnownBlock* group = &self.blocks[key & (KNOWN_BLOCKS - WAYS)]
        cdef KnownBlock* place = &group[self.next_way & (WAYS - 1)]
        cdef uint64_t* seen = &self.seen[(key >> 8) & (KNOWN_BLOCKS - 1)]
        cdef KnownBlock old
        cdef bytes block
        cdef int i
        if self.has_literals and seen[0] != key:
            # Many such blocks come once, with a length and a date of their own: only the second is kept.
            seen[0] = key
            return 0
        block = PyBytes_FromStringAndSize(data, size)
        for i in range(WAYS):
            if group[i].key == key:
                place = &group[i]
                break
        else:
            self.next_way += 1
        old = place[0]
        incref(fields)
        incref(<PyObject*>block)
        place.key = key
        place.block = <PyObject*>block
        place.fields = fields
        place.inserting = self.inserting
        place.insertions = self.insertions
        place.is_free_of_table = not self.uses_table
        Py_XDECREF(old.block)
        Py_XDECREF(old.fields)
        return 0

    cdef int read_block(self) except -1:
        """Read fields into `kept`, and what they do to the table."""
        cdef int octet
        cdef TableEntry* entry
        while self.at < self.end and (self.at[0] & UPDATE_BITS) == UPDATE:
            self.read_size_update()
        if self.is_owed_update:
            self.fail("A block without the size update to %d octets that is due (RFC 7541, 4.2)", self.owed_size)
        while self.at < self.end:
            octet = self.at[0]
            if octet & INDEXED:
                entry = self.entry_at(self.read_integer(INDEXED_MASK))
                self.keep(entry.pair, entry.size)
            elif octet & INSERTING:
                self.read_literal(INSERTING_MASK)
            elif octet & UPDATE:
                self.fail("A size update after a field (RFC 7541, 4.2)")
            else:
                self.read_literal(LITERAL_MASK)
        return 0

    cdef int read_literal(self, int mask) except -1:
        """A field whose value stands in the block (6.2); `mask` says where its index is, and whether it is inserted.

        Whether it is never to be indexed (6.2.3) is of no concern to who does not pass it on.
        """
        cdef int64_t index = self.read_integer(mask)
        cdef Py_ssize_t size
        cdef bytes name, value
        cdef tuple pair
        self.has_literals = True
        if index:
            name = <bytes>item_of(self.entry_at(index).pair, 0)
        else:
            name = self.read_string()
        value = self.read_string()
        pair = (name, value)
        size = entry_size(<PyObject*>name, <PyObject*>value)
        self.keep(<PyObject*>pair, size)
        if mask == INSERTING_MASK:
            if 0 < self.kept_count <= KNOWN_FIELDS:
                self.inserting |= <uint64_t>1 << (self.kept_count - 1)
            self.insert(<PyObject*>pair, size)
        return 0

    cdef int read_size_update(self) except -1:
        """The peer has chosen another size of table, within our limit (6.3)."""
        cdef int64_t size = self.read_integer(UPDATE_MASK)
        self.updates += 1
        if self.updates > 2:
            self.fail("More than two size updates in a block (RFC 7541, 4.2)")
        if size > self.limit:
            self.fail("A size update to %d octets, beyond the limit of %d (RFC 7541, 6.3)", size, self.limit)
        if self.is_owed_update:
            if size > self.owed_size:
                self.fail("A size update to %d octets where %d are due (RFC 7541, 4.2)", size, self.owed_size)
            self.is_owed_update = False
        self.max_size = size
        self.insertions += 1
        self.evict(size)
        return 0

    cdef inline int64_t read_integer(self, int mask) except -1:
        """An integer (5.1) whose prefix is the bits of `mask` in the octet at hand."""
        cdef int64_t value = self.at[0] & mask
        self.at += 1
        return value if value < mask else self.read_long_integer(value)

    cdef int64_t read_long_integer(self, int64_t value) except -1:
        """The octets after a prefix that is full: five at most, for 2**31 - 1 at most."""
        cdef int shift = 0
        cdef int octet
        while self.at < self.end:
            octet = self.at[0]
            self.at += 1
            value += <int64_t>(octet & 0x7F) << shift
            if octet < 128:
                if value > INTEGER_LIMIT:
                    self.fail("An integer of %d, beyond 2**31 - 1 (RFC 7541, 5.1)", value)
                return value
            if shift == INTEGER_SHIFTS:
                self.fail("An integer of more than six octets (RFC 7541, 5.1)")
            shift += 7
        self.fail("The block ends within an integer (RFC 7541, 5.1)")

    cdef bytes read_string(self):
        """A string (5.2)."""
        cdef const uint8_t* start
        cdef bint is_coded
        cdef int64_t size
        if self.at == self.end:
            self.fail("The block ends within a field (RFC 7541, 6.2)")
        is_coded = self.at[0] & CODED
        size = self.read_integer(STRING_MASK)
        if size > self.end - self.at:
            self.fail("A string of %d octets, of which the block has %d (RFC 7541, 5.2)", size, self.end - self.at)
        start = self.at
        self.at += size
        if is_coded:
            return self.decoded(start, size)
        return PyBytes_FromStringAndSize(<const char*>start, size)

    cdef bytes decoded(self, const uint8_t* data, Py_ssize_t size):
        """The octets of a string in Huffman code: 1.6 times as many at most, for the shortest code has 5 bits."""
        cdef uint8_t[SMALL_STRING] small
        cdef uint8_t* room = small
        cdef bytes large
        cdef Py_ssize_t length
        if size > SMALL_STRING // 2:
            large = PyBytes_FromStringAndSize(NULL, size * 2)
            room = <uint8_t*>PyBytes_AS_STRING(large)
        length = huffman_decode(data, size, room)
        if length == HUFFMAN_EOS:
            self.fail("A string with EOS in it (RFC 7541, 5.2)")
        if length < 0:
            self.fail("A string whose padding is not at most 7 bits, all of them 1 (RFC 7541, 5.2)")
        return PyBytes_FromStringAndSize(<char*>room, length)

    cdef inline TableEntry* entry_at(self, int64_t index) except NULL:
        """The entry of an index (2.3.3)."""
        if 0 < index <= STATIC_LENGTH:
            return &static_entries[index]
        index -= STATIC_LENGTH
        if index <= 0 or index > self.count:
            self.fail("Index %d of %d (RFC 7541, 2.3.3)", index + STATIC_LENGTH, STATIC_LENGTH + self.count)
        self.uses_table = True
        return &self.ring[(self.inserted - <uint64_t>index + 1) & self.mask]

    cdef inline void keep(self, PyObject* pair, Py_ssize_t size) noexcept:
        """Add a field to the list, while it is within the limits."""
        if self.list_size + size > self.max_list_size or self.kept_count >= self.max_fields:
            self.list_size = self.max_list_size + 1
            self.drop_kept()
            return
        self.list_size += size
        incref(pair)
        self.kept[self.kept_count] = pair
        self.kept_count += 1

    cdef int make_room(self, Py_ssize_t fields) except -1:
        """See that so many fields can be kept: no more than a block has octets."""
        cdef PyObject** kept
        if fields > self.kept_capacity:
            fields = max(fields, 64)
            kept = <PyObject**>PyMem_Realloc(self.kept, fields * sizeof(PyObject*))
            if kept == NULL:
                raise MemoryError
            self.kept = kept
            self.kept_capacity = fields
        return 0

    cdef void drop_kept(self) noexcept:
        while self.kept_count:
            self.kept_count -= 1
            decref(self.kept[self.kept_count])

    cdef int insert(self, PyObject* pair, Py_ssize_t size) except -1:
        """Add an entry (4.4). One that is larger than the table only empties it."""
        cdef TableEntry* entry
        self.insertions += 1
        if size > self.max_size:
            self.evict(0)
            return 0
        self.evict(self.max_size - size)
        if self.count == self.capacity:
            self.grow_ring()
        self.inserted += 1
        entry = &self.ring[self.inserted & self.mask]
        incref(pair)
        entry.pair = pair
        entry.size = size
        self.count += 1
        self.size += size
        return 0

    cdef inline void evict(self, Py_ssize_t size) noexcept:
        """Drop the oldest entries until the rest take at most `size` octets (4.3)."""
        cdef TableEntry* entry
        while self.size > size:
            entry = &self.ring[(self.inserted - self.count + 1) & self.mask]
            self.size -= entry.size
            self.count -= 1
            decref(entry.pair)

    cdef int grow_ring(self) except -1:
        """Twice the slots: an entry of the table has 32 octets at least, so its size bounds them."""
        cdef Py_ssize_t capacity = max(self.capacity * 2, 16)
        cdef TableEntry* ring = <TableEntry*>PyMem_Malloc(capacity * sizeof(TableEntry))
        cdef uint64_t number
        if ring == NULL:
            raise MemoryError
        for number in range(self.inserted - self.count + 1, self.inserted + 1):
            ring[number & (capacity - 1)] = self.ring[number & self.mask]
        PyMem_Free(self.ring)
        self.ring = ring
        self.capacity = capacity
        self.mask = capacity - 1
        return 0

    cdef int fail(self, str message, int64_t seen=-1, int64_t limit=-1) except -1:
        """Raise what the message says; it is put together here, so that the good path has no code for it."""
        self.drop_kept()
        if limit >= 0:
            message = message % (seen, limit)
        elif seen >= 0:
            message = message % seen
        raise HpackError(message)

    # The same by Python objects, for tests and for whoever drives the decoder by hand

    def decode_block(self, data):
        """The header list of a whole block, or None when it is beyond our limits. Raises HpackError."""
        cdef bytes octets = bytes(data)
        return self.decode(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))

    @property
    def entries_by_index(self) -> tuple:
        """The dynamic table as (name, value) pairs, the newest first. For tests."""
        return tuple([<tuple>self.ring[(self.inserted - i) & self.mask].pair for i in range(self.count)])
