"""Fuzzing: a target per parser of what a peer sends, the seeds, and what drives libFuzzer (`python -m tests.fuzz`).

    targets.py     the table: name, function, seeds, dictionary, sizes
    engines.py     h1, hpack, h2            native/  the first two once more, in Cython
    values.py      url, cookies, multipart, digest, fields
    streams.py     proxy, decoders, sse, websocket
    seeds.py       what runs begin with; findings.toml: what was found, replayed by test_corpus.py
    __main__.py    builds, runs and adds up; child.py is the process that fuzzes

A target takes octets and returns nothing. It catches the exceptions that are documented for what it does; any other
that leaves it is a finding, as are more than a second, and more than 64 MiB at once.
"""
