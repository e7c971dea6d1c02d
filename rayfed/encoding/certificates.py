"""What is said of a server whose certificate nobody here vouches for: each library hides that in errors of its own."""

from __future__ import annotations

import ssl


def untrusted(error: BaseException | None, variable: str) -> str:
    """Return in words that a certificate was refused, and what to do; empty where an error means something else.

    Args:
        error: what a library has raised; the reason may lie in what it was raised from, or in its arguments.
        variable: of the environment, by which that library is told authorities of one's own.
    """
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, ssl.SSLCertVerificationError):
            return (
                f"its certificate is refused: {one.verify_message}; {variable} names a file of authorities of your own"
            )
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            inner = [arg for arg in one.args if isinstance(arg, BaseException)]
            waiting += [one.__cause__, one.__context__, *inner]
    return ""
