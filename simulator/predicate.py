"""Activation predicates as a tablet evaluates them (declarative.md section 3): a small part of NSPredicate's language."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class BadPredicate(ValueError):
    """The text is no predicate (Error.UnableToParsePredicate)."""


class CannotEvaluate(ValueError):
    """A property or status item is missing, or values do not compare (Error.UnableToEvaluatePredicate)."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<term>@(?:property|status)\([^)]+\))|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<sign>==|!=|<>|<=|>=|=<|=>|=|<|>|&&|\|\||!|[(){},])|(?P<word>[A-Za-z]+))"""
)
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "=": operator.eq, "!=": operator.ne, "<>": operator.ne, "<": operator.lt, ">": operator.gt,
    "<=": operator.le, "=<": operator.le, ">=": operator.ge, "=>": operator.ge,
    "IN": lambda one, many: one in many, "CONTAINS": lambda many, one: one in many,
    "BEGINSWITH": lambda text, start: text.startswith(start), "ENDSWITH": lambda text, end: text.endswith(end),
    "MATCHES": lambda text, pattern: re.fullmatch(pattern, text) is not None,
}  # fmt: skip
_CONSTANTS = {"TRUE": True, "YES": True, "FALSE": False, "NO": False, "NULL": None, "NIL": None}


def evaluate(predicate: str, properties: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether a predicate holds. `status` maps dotted item names. Raises `BadPredicate`, `CannotEvaluate`."""
    parser = _Parser(_tokens(predicate))
    test = parser.either()
    parser.end()
    try:
        return bool(test({"property": properties, "status": status}))
    except (TypeError, AttributeError) as error:
        raise CannotEvaluate(str(error)) from error


_Known = Mapping[str, Mapping[str, Any]]
_Part = Callable[[_Known], Any]


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadPredicate(f"unexpected {text[at : at + 10]!r}")
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._tokens):
            raise BadPredicate(f"unexpected {self._tokens[self._at][1]!r}")

    def either(self) -> _Part:
        """Parts joined by OR."""
        parts = [self._both()]
        while self._takes("OR", "||"):
            parts.append(self._both())
        return lambda known: any(part(known) for part in parts)

    def _both(self) -> _Part:
        parts = [self._one()]
        while self._takes("AND", "&&"):
            parts.append(self._one())
        return lambda known: all(part(known) for part in parts)

    def _one(self) -> _Part:
        if self._takes("NOT", "!"):
            part = self._one()
            return lambda known: not part(known)
        if self._takes("("):
            part = self.either()
            self._need(")")
            return part
        if self._takes("TRUEPREDICATE"):
            return lambda _known: True
        if self._takes("FALSEPREDICATE"):
            return lambda _known: False
        left, sign = self._value(), self._next()[1].upper()
        if sign not in _SIGNS:
            raise BadPredicate(f"unknown operator {sign!r}")
        right, compare = self._value(), _SIGNS[sign]
        return lambda known: compare(left(known), right(known))

    def _value(self) -> _Part:
        kind, text = self._next()
        match kind:
            case "text":
                made = re.sub(r"\\(.)", r"\1", text[1:-1])
                return lambda _known: made
            case "number":
                number = float(text) if "." in text else int(text)
                return lambda _known: number
            case "term":
                source, name = text[1:-1].split("(", 1)
                return lambda known: _look_up(known[source], source, name)
            case "word" if text.upper() in _CONSTANTS:
                constant = _CONSTANTS[text.upper()]
                return lambda _known: constant
            case "sign" if text == "{":
                return self._list()
        raise BadPredicate(f"unexpected {text!r}")

    def _list(self) -> _Part:
        members: list[_Part] = []
        while not self._takes("}"):
            members.append(self._value())
            self._takes(",")
        return lambda known: [member(known) for member in members]

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise BadPredicate("unexpected end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, *texts: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] != "text" and self._tokens[self._at][1].upper() in texts:
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._takes(text):
            raise BadPredicate(f"{text!r} is missing")


def _look_up(known: Mapping[str, Any], source: str, name: str) -> Any:
    if name not in known:
        raise CannotEvaluate(f"no {source} {name}")
    return known[name]
