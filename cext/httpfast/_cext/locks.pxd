"""Locks without Python objects. Inline only: no state.

`with` on a lock of `_thread` looks up two methods and makes two objects each time: that is a tenth of a request.
"""
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PY_LOCK_ACQUIRED,
    WAIT_LOCK,
    PyLockStatus,
    PyThread_acquire_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from libc.stdint cimport int64_t


cdef extern from "pythread.h" nogil:
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock lock, long long microseconds, int wakes_on_signal)


cdef inline void enter(PyThread_type_lock lock) noexcept:
    """Take a lock that is held for moments only: no signal handler runs before it is there."""
    if not PyThread_acquire_lock(lock, NOWAIT_LOCK):
        with nogil:
            PyThread_acquire_lock(lock, WAIT_LOCK)


cdef inline bint try_enter(PyThread_type_lock lock) noexcept:
    """Take a lock if it is free."""
    return PyThread_acquire_lock(lock, NOWAIT_LOCK)


cdef inline PyLockStatus wait_to_enter(PyThread_type_lock lock, double seconds) noexcept:
    """Take a lock, waiting so long at most (below 0: for ever), or until a signal comes: see PyErr_CheckSignals."""
    cdef int64_t limit = -1 if seconds < 0 or seconds > 1e6 else <int64_t>(seconds * 1e6)
    cdef PyLockStatus status = PY_LOCK_ACQUIRED
    if not PyThread_acquire_lock(lock, NOWAIT_LOCK):
        with nogil:
            status = PyThread_acquire_lock_timed(lock, limit, 1)
    return status


cdef inline void leave(PyThread_type_lock lock) noexcept:
    """Let it go."""
    PyThread_release_lock(lock)
