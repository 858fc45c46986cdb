"""Many at once: 10,000 connections with a request on each, 100 connections of HTTP/2 with 100 streams each.

    python -m tests.scale

The server, `gate`, answers nobody before all requests are there, so that all are in flight at one moment. Then the
connections are idle, what they cost the client is measured, and all are used again. Each case is a client in a process
of its own (`client`). A process has to be allowed some more open files than there are connections, 10,100 for the full
cases: `ulimit -Hn`, limits.conf or LimitNOFILE; ports and the rest are within what Linux allows by default.
"""
