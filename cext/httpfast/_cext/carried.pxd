"""CarriedConnection: an HTTP/1.1 connection whose octets Python code carries, for event loops without callbacks."""
from .h1 cimport H1Engine
from .pool cimport PooledConnection


cdef class CarriedConnection(PooledConnection):
    cdef readonly H1Engine engine
    cdef readonly int fd                   # -1 when there is none
    cdef public bint is_closed
    cdef readonly int served               # requests that were begun on this connection
