"""HPACK's Huffman code (RFC 7541, 5.2 and Appendix B): sizes, encoding and decoding. No state but constant tables."""
from libc.stdint cimport uint8_t


cdef enum:
    HUFFMAN_EOS = -1               # what `huffman_decode` says of a bad string: it holds EOS
    HUFFMAN_PADDING = -2           # or what follows its last symbol is not at most 7 bits, all 1


cdef Py_ssize_t huffman_size(const uint8_t* data, Py_ssize_t size) noexcept nogil
cdef Py_ssize_t huffman_encode(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil
cdef Py_ssize_t huffman_decode(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil
