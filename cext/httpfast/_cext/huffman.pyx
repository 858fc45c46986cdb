# cython: overflowcheck=False
# (Bits leave the top of the bit buffer by design; checked builds would call that an overflow.)
"""HPACK's Huffman code (RFC 7541, 5.2 and Appendix B): sizes, encoding and decoding. No state but constant tables.

The code is canonical: codes of one length count up with their symbols, and each length goes on where the one before it
has ended. So the lengths say it all, and the tables are made of them when the module is loaded.

Decoding looks the next 10 bits up, which hold a whole code for each octet that is frequent in fields; the few longer
codes are found by comparing with the end of each length. Either way a symbol is done once, whatever follows: linear.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    /* Bits of each symbol's code; 256 is EOS. */
    static const unsigned char httpfast_code_lengths[257] = {
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
        28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
         6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
         5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
        13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
         7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
        15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
         6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
        24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
        21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
        19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
        26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    };

    /* Compilers make one load and one byte swap of these. */
    static inline uint64_t httpfast_load_64(const unsigned char* p) {
        return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32
             | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
    }
    static inline void httpfast_store_32(unsigned char* p, uint32_t bits) {
        p[0] = (unsigned char)(bits >> 24);
        p[1] = (unsigned char)(bits >> 16);
        p[2] = (unsigned char)(bits >> 8);
        p[3] = (unsigned char)bits;
    }
    """
    const uint8_t[257] code_lengths "httpfast_code_lengths"
    uint64_t load_64 "httpfast_load_64" (const uint8_t*) noexcept nogil
    void store_32 "httpfast_store_32" (uint8_t*, uint32_t) noexcept nogil

cdef enum:
    EOS = 256
    SYMBOLS = 257
    LONGEST = 30
    TABLE_BITS = 10                    # there is no code of 9, and of 11 and more only rare octets
    TABLE_SIZE = 1024

cdef uint32_t[SYMBOLS] codes
cdef uint16_t[SYMBOLS] symbols                 # in the order of their codes
cdef uint16_t[TABLE_SIZE] short_codes          # by the next 10 bits: length << 8 | symbol, 0 where the code is longer
cdef uint64_t[LONGEST + 1] ends                # by length: where its codes end, in 32 bits from the left
cdef uint64_t[LONGEST + 1] starts
cdef uint16_t[LONGEST + 1] ranks               # by length: its first symbol's place in `symbols`


cdef void make_tables() noexcept:
    """Codes in the order of (length, symbol), and what decoding looks up."""
    cdef uint64_t code = 0                     # the next one, in 32 bits from the left
    cdef int length, symbol, rank = 0
    cdef uint32_t i
    for length in range(1, LONGEST + 1):
        starts[length] = code
        ranks[length] = rank
        for symbol in range(SYMBOLS):
            if code_lengths[symbol] != length:
                continue
            codes[symbol] = <uint32_t>(code >> (32 - length))
            symbols[rank] = symbol
            rank += 1
            if length <= TABLE_BITS:
                for i in range(1 << (TABLE_BITS - length)):
                    short_codes[(code >> (32 - TABLE_BITS)) + i] = length << 8 | symbol
            code += <uint64_t>1 << (32 - length)
        ends[length] = code


make_tables()


cdef Py_ssize_t huffman_size(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Octets that `huffman_encode` makes of these."""
    cdef size_t bits = 7
    cdef Py_ssize_t i
    for i in range(size):
        bits += code_lengths[data[i]]
    return bits >> 3


cdef Py_ssize_t huffman_encode(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil:
    """Write the encoded octets; returns how many. `out` has room for `huffman_size`, which is at most 3.75 * size."""
    cdef uint64_t bits = 0
    cdef int count = 0, length, padding
    cdef uint8_t* at = out
    cdef uint8_t octet
    cdef Py_ssize_t i
    for i in range(size):
        octet = data[i]
        length = code_lengths[octet]
        bits = bits << length | codes[octet]
        count += length
        if count >= 32:
            count -= 32
            store_32(at, <uint32_t>(bits >> count))
            at += 4
    padding = -count & 7
    bits = bits << padding | ((1 << padding) - 1)
    count += padding
    while count:
        count -= 8
        at[0] = <uint8_t>(bits >> count)
        at += 1
    return at - out


cdef inline int long_code(uint64_t bits, int* symbol) noexcept nogil:
    """The length of the code that the bits begin with, one of more than TABLE_BITS, and its symbol."""
    cdef uint32_t prefix = <uint32_t>(bits >> 32)
    cdef int length = TABLE_BITS + 1
    while prefix >= ends[length]:
        length += 1
    symbol[0] = symbols[ranks[length] + ((prefix - starts[length]) >> (32 - length))]
    return length


cdef Py_ssize_t huffman_decode(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil:
    """Write the decoded octets; returns how many, or what is wrong. `out` has room for 1.6 * size, codes of 5 bits."""
    cdef const uint8_t* end = data + size
    cdef uint8_t* at = out
    cdef uint64_t bits = 0                     # from the left; below `count` there may be bits of octets yet to come
    cdef uint64_t word
    cdef uint32_t entry
    cdef int count = 0, length, symbol = 0, octets, i, _
    while end - data >= 8:
        bits |= load_64(data) >> count
        octets = (63 - count) >> 3
        data += octets
        count += octets << 3
        # At least 56 bits: five codes of the table, or one of any length.
        for _ in range(5):
            entry = short_codes[bits >> (64 - TABLE_BITS)]
            length = entry >> 8
            if length == 0:
                break
            at[0] = <uint8_t>entry
            at += 1
            bits <<= length
            count -= length
        else:
            continue
        if count >= LONGEST:
            length = long_code(bits, &symbol)
            if symbol == EOS:
                return HUFFMAN_EOS
            at[0] = <uint8_t>symbol
            at += 1
            bits <<= length
            count -= length
    # Less than 8 octets are left, which the bits may not have room for at once.
    while True:
        octets = end - data
        if octets:
            if size >= 8:
                word = load_64(end - 8) << (64 - 8 * octets)
            else:
                word = 0
                for i in range(octets):
                    word |= <uint64_t>data[i] << (56 - 8 * i)
            bits |= word >> count
            octets = min(octets, (63 - count) >> 3)
            data += octets
            count += octets << 3
        while True:
            entry = short_codes[bits >> (64 - TABLE_BITS)]
            length = entry >> 8
            symbol = entry & 0xFF
            if length == 0:
                length = long_code(bits, &symbol)
            if length > count:
                break
            if symbol == EOS:
                return HUFFMAN_EOS
            at[0] = <uint8_t>symbol
            at += 1
            bits <<= length
            count -= length
        if data == end:
            if count > 7 or (bits >> 56 | 0xFF >> count) != 0xFF:
                return HUFFMAN_PADDING
            return at - out


# The same by Python objects, for tests

def huffman_encoded(bytes octets not None) -> bytes:
    """The octets in Huffman code, padded with ones."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(octets)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
    cdef bytes encoded = PyBytes_FromStringAndSize(NULL, huffman_size(data, size))
    cdef Py_ssize_t written = huffman_encode(data, size, <uint8_t*>PyBytes_AS_STRING(encoded))
    if written != PyBytes_GET_SIZE(encoded):
        raise RuntimeError(f"{written} octets written, {PyBytes_GET_SIZE(encoded)} foretold")
    return encoded


def huffman_decoded(bytes octets not None) -> bytes:
    """The octets that these are the code of. Raises ValueError when they are none."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
    cdef bytes decoded = PyBytes_FromStringAndSize(NULL, size * 8 // 5)
    size = huffman_decode(
        <const uint8_t*>PyBytes_AS_STRING(octets), size, <uint8_t*>PyBytes_AS_STRING(decoded)
    )
    if size < 0:
        raise ValueError("EOS" if size == HUFFMAN_EOS else "padding")
    return decoded[:size]
