"""Bombs and floods, measured: each ends with less than 8 MiB of memory on top and less than a second of CPU time.

    python -m tests.bombs

A client in a process of its own meets a peer that sends what the row says (`h1`, `h2`); its peak of memory is the
kernel's (VmHWM, reset before each row), its CPU time that of all its threads. How each of these ends otherwise, and
that the client is as good as new behind it, is tested where the rule is; here it is about the cost. Linux only.
"""
