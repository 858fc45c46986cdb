"""HPACK, the compression of HTTP/2's header lists, for one connection, sans-IO (RFC 7541).

    HpackEncoder.encode(pseudo, fields) ─► the octets of a block      one encoder for what we send
    HpackDecoder.decode(data, size)     ─► ((name, value), ...)       one decoder for what we receive
                                        └► None: the list is beyond our limits, the table is in step all the same
                                        └► HpackError: COMPRESSION_ERROR, the connection has to end (RFC 9113, 4.3)

Every block has to pass, in the order of the wire, for the peer's table follows each. A dynamic table is a ring whose
entries are numbered from 1 on as they come: `inserted` is the number of the newest, `inserted - count + 1` that of the
oldest, and entry `n` has the index `61 + inserted - n + 1` (2.3.3) and lies in slot `n & mask`.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef enum:
    KNOWN_HEADS = 64               # request heads, and blocks of responses, whose octets or fields are kept
    KNOWN_BLOCKS = 32
    WAYS = 4                       # each may lie in one of so many places


cdef struct EncoderEntry:
    PyObject* name
    PyObject* value
    uint64_t name_hash
    uint64_t pair_hash
    uint64_t older_by_name         # the next older number in its chain; one that has been evicted ends the chain
    uint64_t older_by_pair
    uint64_t put_off               # the pair that was last not inserted for this entry's sake, by its hash
    bint was_used                  # an index has named it since it came
    # Nothing of this entry: where the two chains begin whose hashes end in this slot's number.
    uint64_t newest_by_name
    uint64_t newest_by_pair


cdef struct TableEntry:
    PyObject* pair                 # (name, value), owned
    Py_ssize_t size                # octets (RFC 7541, 4.1)


cdef struct KnownHead:
    PyObject* pseudo               # owned, as the next two
    PyObject* fields
    PyObject* block
    uint64_t insertions            # of the table for which the block was made


cdef struct KnownBlock:
    PyObject* block                # owned, as the next
    PyObject* fields
    uint64_t key                   # hash of the block
    uint64_t inserting             # bit i: the table takes field i each time the block comes
    uint64_t insertions            # of the table that the block's indices are about ...
    bint is_free_of_table          # ... unless it has none beyond the static table's


cdef class HpackEncoder:
    cdef Py_ssize_t limit              # octets of dynamic table that we allow ourselves, whatever the peer allows
    cdef readonly Py_ssize_t max_size  # octets, in effect with the next block
    cdef readonly Py_ssize_t size      # octets in use (RFC 7541, 4.1)
    cdef readonly uint64_t insertions  # changes of the table, each entry and each new maximum
    cdef Py_ssize_t lowest_size        # the smallest maximum since the last block
    cdef bint owes_update              # the next block begins with the new maximum

    cdef EncoderEntry* entries
    cdef uint64_t mask                 # slots - 1
    cdef Py_ssize_t capacity, count
    cdef uint64_t inserted
    cdef bint is_for_once              # the block at hand would be another one the next time

    cdef uint8_t* buffer               # where blocks are made
    cdef Py_ssize_t buffer_size
    cdef KnownHead[KNOWN_HEADS] heads
    cdef unsigned int next_way         # the one that gives way next

    cpdef bytes encode(self, tuple pseudo, tuple fields)
    cpdef int set_max_size(self, Py_ssize_t size) except -1

    cdef int remember(self, KnownHead* group, PyObject* pseudo, PyObject* fields, bytes block) except -1
    cdef uint8_t* put_updates(self, uint8_t* out) noexcept
    cdef uint8_t* put_field(self, uint8_t* out, PyObject* name, PyObject* value) noexcept
    cdef EncoderEntry* newest_of_name(self, PyObject* name, uint64_t name_hash) noexcept
    cdef EncoderEntry* entry_of_pair(self, PyObject* name, PyObject* value, uint64_t pair_hash) noexcept
    cdef int64_t index_of(self, EncoderEntry* entry) noexcept
    cdef void insert(self, PyObject* name, PyObject* value, uint64_t name_hash, uint64_t pair_hash) noexcept
    cdef void link(self, uint64_t number) noexcept
    cdef void evict(self, Py_ssize_t size) noexcept
    cdef int make_room(self, Py_ssize_t octets, Py_ssize_t entries) except -1


cdef class HpackDecoder:
    cdef Py_ssize_t limit              # our SETTINGS_HEADER_TABLE_SIZE, acknowledged
    cdef int64_t max_list_size         # octets of a list, counted as RFC 9113, 6.5.2 says
    cdef Py_ssize_t max_fields
    cdef readonly Py_ssize_t max_size  # octets of dynamic table, as the peer chose
    cdef readonly Py_ssize_t size      # octets in use (RFC 7541, 4.1)
    cdef readonly uint64_t insertions  # changes of the table, each entry and each size update
    cdef Py_ssize_t owed_size          # the peer's next block begins with an update to at most this ...
    cdef bint is_owed_update           # ... because we have lowered the limit

    cdef TableEntry* ring
    cdef uint64_t mask                 # slots - 1
    cdef Py_ssize_t capacity, count
    cdef uint64_t inserted

    # The block at hand.
    cdef const uint8_t* at
    cdef const uint8_t* end
    cdef PyObject** kept               # its fields so far: (name, value) pairs, owned
    cdef Py_ssize_t kept_capacity, kept_count
    cdef int64_t list_size             # as max_list_size; beyond it once a field was refused
    cdef int updates                   # of the table's size
    cdef bint has_literals
    cdef bint uses_table               # an index is one of the dynamic table
    cdef uint64_t inserting            # as in KnownBlock

    cdef KnownBlock[KNOWN_BLOCKS] blocks
    cdef uint64_t[KNOWN_BLOCKS] seen   # keys of blocks that came once
    cdef unsigned int next_way

    cdef tuple decode(self, const char* data, Py_ssize_t size)
    cpdef int set_max_size(self, Py_ssize_t size) except -1

    cdef tuple decode_new(self, uint64_t key, const char* data, Py_ssize_t size)
    cdef KnownBlock* find(self, uint64_t key, const char* data, Py_ssize_t size) noexcept
    cdef int insert_again(self, KnownBlock* known) except -1
    cdef int remember(self, uint64_t key, const char* data, Py_ssize_t size, PyObject* fields) except -1
    cdef int read_block(self) except -1
    cdef int read_literal(self, int mask) except -1
    cdef int read_size_update(self) except -1
    cdef int64_t read_integer(self, int mask) except -1
    cdef int64_t read_long_integer(self, int64_t value) except -1
    cdef bytes read_string(self)
    cdef bytes decoded(self, const uint8_t* data, Py_ssize_t size)
    cdef TableEntry* entry_at(self, int64_t index) except NULL
    cdef void keep(self, PyObject* pair, Py_ssize_t size) noexcept
    cdef int make_room(self, Py_ssize_t fields) except -1
    cdef void drop_kept(self) noexcept
    cdef int insert(self, PyObject* pair, Py_ssize_t size) except -1
    cdef void evict(self, Py_ssize_t size) noexcept
    cdef int grow_ring(self) except -1
    cdef int fail(self, str message, int64_t seen=*, int64_t limit=*) except -1
