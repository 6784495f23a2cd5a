"""A plugin for nbval: stored outputs are compared word by word, integers exactly, other numbers to a tolerance.

Two numbers agree if they differ by at most 1e-6 relative or 1e-9 absolute, or by one unit in the last
printed place if that unit is itself below 1e-5 relative (so that a rounding boundary is not an error, and a
wrong digit is). Runs of blanks count as one, because a sign changes how an array is padded.

nbval compares strings with `!=`. What IPyNbCell.sanitize returns is what it compares, so that is where the
comparison is replaced.
"""
import re

from nbval.plugin import IPyNbCell

NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
RELATIVE, ABSOLUTE, LAST_PLACE = 1e-6, 1e-9, 1e-5


def agree(stored, fresh):
    """Whether two printed texts say the same."""
    if _words(stored) != _words(fresh):
        return False
    return all(_numbers_agree(a, b) for a, b in zip(NUMBER.findall(stored), NUMBER.findall(fresh)))


def _words(text):
    return [" ".join(part.split()) for part in NUMBER.split(text)]


def _numbers_agree(a, b):
    if _is_integer(a) or _is_integer(b):
        return a.lstrip("+") == b.lstrip("+")
    difference, size = abs(float(a) - float(b)), abs(float(a))
    unit = _last_place(a)
    if difference <= max(ABSOLUTE, RELATIVE * size):
        return True
    return unit == _last_place(b) and unit <= LAST_PLACE * size and difference <= 1.001 * unit


def _is_integer(number):
    return number.lstrip("+-").isdigit()


def _last_place(number):
    mantissa, _, exponent = number.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


class Printed(str):
    """A text that equals another if they agree."""
    __hash__ = str.__hash__

    def __eq__(self, other):
        return isinstance(other, str) and agree(str(self), str(other))

    def __ne__(self, other):
        return not self == other


def pytest_configure(config):
    if not hasattr(IPyNbCell, "sanitize"):
        raise RuntimeError("nbval has no IPyNbCell.sanitize: this plugin was written for nbval 0.11")
    if not getattr(IPyNbCell.sanitize, "tolerant", False):
        original = IPyNbCell.sanitize

        def sanitize(self, text):
            clean = original(self, text)
            return Printed(clean) if isinstance(clean, str) else clean

        sanitize.tolerant = True
        IPyNbCell.sanitize = sanitize
