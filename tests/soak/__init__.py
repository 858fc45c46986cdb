"""The soak: millions of requests, one in a hundred of which goes wrong, and nothing lost, crossed, hung or leaked.

    python -m tests.soak --minutes 10
    python -m tests.soak --requests 10000000 --only h1

One process is the client, and it is what is measured: threads, asyncio, uvloop and a little trio, HTTP/1.1 and HTTP/2.
It meets an nginx, which closes connections after some hundred requests and is reloaded now and then (`front`), and an
origin that misbehaves on demand (`origin`, `origin_h2`), both on another core. What is requested, and how it may end:
`cards`. Linux only: memory and descriptors are read from /proc.
"""
