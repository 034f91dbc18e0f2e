"""Compiled array functions (Numba): arrays in, arrays out, no classes of ours.

Each is `kernel(start, stop, ...)` over a range, releases the GIL, and is run in fixed blocks by `Run.map`.
"""
