"""time.monotonic() without a float object: the clock is read three times a request."""

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030D0000
    static inline double httpfast_monotonic(void) {
        PyTime_t now;
        return PyTime_MonotonicRaw(&now) < 0 ? 0.0 : PyTime_AsSecondsDouble(now);
    }
    #else
    static inline double httpfast_monotonic(void) {
        return _PyTime_AsSecondsDouble(_PyTime_GetMonotonicClock());
    }
    #endif
    """
    double monotonic "httpfast_monotonic" () noexcept
