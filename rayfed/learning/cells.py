"""What the text of a table's cell is: a number, a date, a number as it is written elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""Texts, in lower case, of cells that say nothing."""

_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([ T].*)?")

_COMMA = re.compile(r"[+-]?\d[\d.' ]*(,\d+)+(\.\d+)?")
"""A comma before the fraction, or between thousands."""

_SIGN = re.compile(r"[+\-\u2212\u2013]?\s*[$€£¥]?\s*[+\-\u2212\u2013]?\s*\d+(\.\d+)?\s*[%‰$€£¥]?")
"""A number with a currency or per cent, or with a minus that is no hyphen."""


def number(text: str) -> float | None:
    """Return the number that a text is, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def is_fraction(text: str) -> bool:
    """Whether a text is a number that is not whole."""
    found = number(text)
    return found is not None and not found.is_integer()


def whole(text: str) -> str:
    """Return a whole number without its point, 1 for 1.0, and any other text as it is."""
    found = number(text)
    return text if found is None or text.isdecimal() or not found.is_integer() else str(int(found))


def are_dates(texts: Sequence[str]) -> bool:
    """Whether more than half of the texts that say something are dates."""
    said = [text for text in texts if text]
    return 2 * sum(_DATE.fullmatch(text) is not None for text in said) > len(said)


def with_comma(texts: Sequence[str]) -> int | None:
    """Return the first text that is a number with a comma; see ``_first``."""
    return _first(texts, lambda text: _COMMA.fullmatch(text) is not None)


def with_sign(texts: Sequence[str]) -> int | None:
    """Return the first text that is a number with a sign which is none of a number's own; see ``_first``."""
    return _first(texts, lambda text: number(text) is None and _SIGN.fullmatch(text) is not None)


def _first(texts: Sequence[str], is_number_elsewhere: Callable[[str], bool]) -> int | None:
    """Return the first text that is a number as it is written elsewhere, where more than half of those that say
    something are numbers if such are counted."""
    said = [text for text in texts if text]
    found = [place for place, text in enumerate(texts) if is_number_elsewhere(text)]
    plain = sum(number(text) is not None for text in said)
    return found[0] if found and 2 * (len(found) + plain) > len(said) else None
