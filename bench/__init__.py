"""Benchmarks of httpfast and its rivals, and the server they share with the tests; not installed with the package.

`python -m bench` compares clients. How it tries to be fair, and where that is:

- Each client runs in its documented fast configuration (`clients`), and has every body checked (`load`), so that none
  wins by skipping work. Corrections by those who know a client better are welcome.
- What is compared is CPU time, of all threads of the client's process (`load`): it depends less than wall time on how
  fast the server is. A process a client, all on one core, the server on another one (`remote`, `servers`).
- Rounds interleave, in a shuffled order, and ratios are medians of the ratios within rounds (`run`, `figures`).
- Latency counts from a schedule that waits for nobody (`load.OpenLoop`).
- The raw floor (`clients.floor`) shows what the loop or socket itself costs in a case of HTTP/1.1, and nghttp2's load
  generator (`h2load`) what a program in C takes in one of HTTP/2.
- A client counts in a case of HTTP/2 only after it has shown a response of that version (`worker`).
- The results file has every round's raw figures and the versions of everything (`machine`).
"""
