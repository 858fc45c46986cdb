"""Parts of httpfast beside the same parts of its rivals, by pytest-benchmark: `make micro`.

The parts are those a request passes: its building, URLs, header fields, the pool, the reading of the response. Each
group of the table is one task, and each row of it who does it. What everybody made is compared before the timed part.

Nothing here touches a socket, so no row says how fast a client is: it says where to look. A row includes the loop and
the call around the code it measures, some tens of nanoseconds, which counts where a row is hardly longer.
"""
