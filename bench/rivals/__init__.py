"""One adapter a rival library, run by the Python of an environment of its own; PACKAGES are the pins it is made from.

An adapter's module imports its library only inside functions: the harness reads the pins without having the library.
"""
