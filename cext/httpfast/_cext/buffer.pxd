"""ByteBuffer: octets collected in the memory of the bytes object they will be, so that taking them copies nothing."""
from cpython.object cimport PyObject


cdef class ByteBuffer:
    cdef PyObject* memory              # a bytes object that nobody else has seen, or NULL
    cdef Py_ssize_t capacity           # octets it has room for
    cdef readonly Py_ssize_t filled    # octets in use

    cdef char* data(self) noexcept
    cdef char* tail(self) noexcept
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef int enlarge(self, Py_ssize_t capacity) except -1
    cdef int append(self, const char* data, Py_ssize_t size) except -1
    cdef bytes take(self)
    cdef void clear(self) noexcept
