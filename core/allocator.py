"""Main memory that a training frees and takes again in every step."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGE_BYTES = 2**30


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next step, instead of giving it back to the system.

    Each step of a CPU training frees tensors of tens of megabytes and takes the same ones again; the
    system hands them out page by page, each filled with zeros first. Does nothing where the C library
    is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
