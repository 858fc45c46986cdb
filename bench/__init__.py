"""Benchmarks of httpfast and its rivals, and the server they share with the tests; not installed with the package."""
