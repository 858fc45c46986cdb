"""Name, version and one-line description of the package; the only place where the version is written."""

__title__ = "httpfast"
__description__ = "The HTTP client that Python should have had: httpx's API on a compiled core."
__version__ = "0.1.0"
