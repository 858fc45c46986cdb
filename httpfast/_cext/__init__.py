"""The compiled core: engines, pool and drivers. Internal: the public API is the package `httpfast` itself."""
