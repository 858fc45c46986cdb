"""The system's socket calls, as far as the drivers use them. Inline C only: no state.

Reading with the system's own calls saves what a Python socket with a timeout adds: a poll before every read and write.
Windows has the look ahead only; there the blocking driver goes through Python's socket objects.
"""

cdef extern from *:
    """
    #ifdef _WIN32
    #include <winsock2.h>
    #define HTTPFAST_RAW_SOCKETS 0
    static inline Py_ssize_t httpfast_recv(int fd, char *data, Py_ssize_t size) { return -1; }
    static inline Py_ssize_t httpfast_send(int fd, const char *data, Py_ssize_t size) { return -1; }
    static inline int httpfast_would_block(void) { return 0; }
    static inline int httpfast_interrupted(void) { return 0; }
    static inline void httpfast_set_timeouts(int fd, double receive, double send) { }
    static inline int httpfast_has_input(int fd) {
        fd_set readable;
        struct timeval at_once = {0, 0};
        FD_ZERO(&readable);
        FD_SET((SOCKET)fd, &readable);
        return select(0, &readable, NULL, NULL, &at_once) != 0;
    }
    static inline int httpfast_has_ended(int fd) {
        char octet;
        return httpfast_has_input(fd) && recv((SOCKET)fd, &octet, 1, MSG_PEEK) <= 0;
    }
    static inline int httpfast_wait(int fd, int events, double seconds) {
        fd_set readable, writable;
        struct timeval limit;
        int count;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        if (events & 1) FD_SET((SOCKET)fd, &readable);
        if (events & 2) FD_SET((SOCKET)fd, &writable);
        limit.tv_sec = (long)seconds;
        limit.tv_usec = (long)((seconds - (double)limit.tv_sec) * 1e6);
        count = select(0, &readable, &writable, NULL, seconds < 0 ? NULL : &limit);
        if (count <= 0) return count;
        return (FD_ISSET((SOCKET)fd, &readable) ? 1 : 0) | (FD_ISSET((SOCKET)fd, &writable) ? 2 : 0);
    }
    #else
    #include <errno.h>
    #include <poll.h>
    #include <sys/socket.h>
    #include <sys/time.h>
    #define HTTPFAST_RAW_SOCKETS 1
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static inline Py_ssize_t httpfast_recv(int fd, char *data, Py_ssize_t size) {
        return recv(fd, data, (size_t)size, 0);
    }
    static inline Py_ssize_t httpfast_send(int fd, const char *data, Py_ssize_t size) {
        return send(fd, data, (size_t)size, MSG_NOSIGNAL);
    }
    static inline int httpfast_would_block(void) { return errno == EAGAIN || errno == EWOULDBLOCK; }
    static inline int httpfast_interrupted(void) { return errno == EINTR; }
    static inline void httpfast_set_timeouts(int fd, double receive, double send) {
        struct timeval value;
        value.tv_sec = (time_t)receive;
        value.tv_usec = (suseconds_t)((receive - (double)value.tv_sec) * 1e6);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
        value.tv_sec = (time_t)send;
        value.tv_usec = (suseconds_t)((send - (double)value.tv_sec) * 1e6);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
    }
    /* 1 when octets or the end of the stream wait to be read, or the socket has failed; 0 when it is quiet. */
    static inline int httpfast_has_input(int fd) {
        char octet;
        return !(recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    }
    /* 1 when the peer has ended its direction, whatever is still to be read before that, or the socket has failed. */
    static inline int httpfast_has_ended(int fd) {
    #ifdef POLLRDHUP
        struct pollfd one = {fd, POLLIN | POLLRDHUP, 0};
        return poll(&one, 1, 0) > 0 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
    #else
        char octet;
        Py_ssize_t count = recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
        return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
    #endif
    }
    /* Wait until a socket is readable (1), writable (2), or either (3): which of them it is, 0 when it is not in time,
       -1 on an error. Negative seconds are no limit. */
    static inline int httpfast_wait(int fd, int events, double seconds) {
        struct pollfd one = {fd, (short)((events & 1 ? POLLIN : 0) | (events & 2 ? POLLOUT : 0)), 0};
        int limit = seconds < 0 ? -1 : seconds > 2e6 ? 2000000000 : (int)(seconds * 1e3 + 0.999);
        int count = poll(&one, 1, limit);
        if (count <= 0) return count;
        if (one.revents & (POLLERR | POLLHUP | POLLNVAL)) return events;
        return (one.revents & POLLIN ? 1 : 0) | (one.revents & POLLOUT ? 2 : 0);
    }
    #endif
    """
    const bint HTTPFAST_RAW_SOCKETS
    Py_ssize_t httpfast_recv(int fd, char* data, Py_ssize_t size) nogil
    Py_ssize_t httpfast_send(int fd, const char* data, Py_ssize_t size) nogil
    bint httpfast_would_block() nogil
    bint httpfast_interrupted() nogil
    void httpfast_set_timeouts(int fd, double receive, double send) nogil
    bint httpfast_has_input(int fd) nogil
    bint httpfast_has_ended(int fd) nogil
    int httpfast_wait(int fd, int events, double seconds) nogil
