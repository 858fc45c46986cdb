"""ByteBuffer: octets collected in the memory of the bytes object they will be, so that taking them copies nothing.

It owns one bytes object that no other code can see until `take` hands it out; that alone makes writing into it legal.
"""
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.string cimport memcpy

cdef extern from "Python.h":
    # By pointer and not by object: a bytes object is resizable only while its one reference is ours.
    PyObject* bytes_alloc "PyBytes_FromStringAndSize" (const char*, Py_ssize_t) except NULL
    int bytes_resize "_PyBytes_Resize" (PyObject**, Py_ssize_t) except -1
    char* bytes_data "PyBytes_AS_STRING" (PyObject*) noexcept


cdef enum:
    RECURRING_BYTES = 4194304          # 4 MiB


def expect_large_blocks():
    """Tell the C library's allocator that blocks of up to 4 MiB come and go, as bodies do. Once a process.

    glibc maps blocks of more than 128 KiB anew each time, and gives the end of its heap back to the system as soon as
    that much of it is free; the next body then faults each of its pages in again. It stops doing so by itself for sizes
    that it has seen freed (mallopt(3), M_MMAP_THRESHOLD): so it is shown one, which nobody touches. Up to 8 MiB of free
    heap stay with the process for it. 32 bodies of 100 KB at a time cost half as much then. Nothing to other libraries.
    """
    PyMem_RawFree(PyMem_RawMalloc(RECURRING_BYTES))


cdef class ByteBuffer:
    """A growing run of octets; see the module's docstring."""

    def __cinit__(self):
        self.memory = NULL
        self.capacity = self.filled = 0

    def __dealloc__(self):
        Py_XDECREF(self.memory)

    cdef char* data(self) noexcept:
        """The first octet. Where nothing has come yet that is not NULL either, which C's functions refuse."""
        return bytes_data(self.memory) if self.memory != NULL else <char*>b""

    cdef char* tail(self) noexcept:
        """Where the next octet goes; room for `capacity - filled` of them. NULL before the first reserve."""
        return bytes_data(self.memory) + self.filled if self.memory != NULL else NULL

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for `capacity` octets in all. What is there stays."""
        cdef Py_ssize_t filled = self.filled
        if capacity <= self.capacity:
            return 0
        if self.memory == NULL:
            self.memory = bytes_alloc(NULL, capacity)
        else:
            self.capacity = self.filled = 0        # a failed resize frees the object
            bytes_resize(&self.memory, capacity)
            self.filled = filled
        self.capacity = capacity
        return 0

    cdef int enlarge(self, Py_ssize_t capacity) except -1:
        """As `reserve`, for octets that must not be lost: when there is no memory, all is as it was."""
        cdef PyObject* memory
        if capacity > self.capacity:
            memory = bytes_alloc(NULL, capacity)
            if self.filled:
                memcpy(bytes_data(memory), self.data(), self.filled)
            Py_XDECREF(self.memory)
            self.memory = memory
            self.capacity = capacity
        return 0

    cdef int append(self, const char* data, Py_ssize_t size) except -1:
        """Copy octets to the end. The first append takes just the room it needs; later ones double it."""
        cdef Py_ssize_t needed = self.filled + size
        if size == 0:
            return 0                               # there may be no memory yet, and memcpy takes no NULL
        if needed > self.capacity:
            self.reserve(needed if self.filled == 0 else max(needed, self.capacity * 2))
        memcpy(self.tail(), data, size)
        self.filled = needed
        return 0

    cdef bytes take(self):
        """All octets as one bytes object; the buffer is empty afterwards, also when that fails."""
        cdef bytes taken
        cdef Py_ssize_t filled = self.filled
        if filled == 0:
            self.clear()
            return b""
        if filled < self.capacity:
            self.capacity = self.filled = 0
            bytes_resize(&self.memory, filled)
        taken = <bytes>self.memory                 # takes a reference of its own
        self.clear()
        return taken

    cdef void clear(self) noexcept:
        """Give the memory back."""
        cdef PyObject* memory = self.memory
        self.memory = NULL
        self.capacity = self.filled = 0
        Py_XDECREF(memory)
