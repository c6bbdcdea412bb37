"""Evaluates the predicates of activations as a tablet does: a small part of the NSPredicate language."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class InvalidPredicate(ValueError):
    """The text cannot be parsed (Error.UnableToParsePredicate)."""


class PredicateNotEvaluable(ValueError):
    """A property or status item is missing, or two values cannot be compared (Error.UnableToEvaluatePredicate)."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<term>@(?:property|status)\([^)]+\))|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<sign>==|!=|<>|<=|>=|=<|=>|=|<|>|&&|\|\||!|[(){},])|(?P<word>[A-Za-z]+))"""
)
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "=": operator.eq, "!=": operator.ne, "<>": operator.ne, "<": operator.lt, ">": operator.gt,
    "<=": operator.le, "=<": operator.le, ">=": operator.ge, "=>": operator.ge,
    "IN": lambda one, many: one in many, "CONTAINS": lambda many, one: one in many,
    "BEGINSWITH": lambda text, start: text.startswith(start), "ENDSWITH": lambda text, end: text.endswith(end),
    "MATCHES": lambda text, pattern: re.fullmatch(pattern, text) is not None,
}  # fmt: skip
_CONSTANTS = {"TRUE": True, "YES": True, "FALSE": False, "NO": False, "NULL": None, "NIL": None}


def evaluate_predicate(predicate: str, properties: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return whether a predicate is true. `status` maps dotted names of status items to values.

    Raises `InvalidPredicate`, `PredicateNotEvaluable`.
    """
    parser = _Parser(_tokenize(predicate))
    test = parser.parse_or()
    parser.expect_end()
    try:
        return bool(test({"property": properties, "status": status}))
    except (TypeError, AttributeError) as error:
        raise PredicateNotEvaluable(str(error)) from error


_Context = Mapping[str, Mapping[str, Any]]
_Evaluator = Callable[[_Context], Any]


def _tokenize(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidPredicate(f"unexpected {text[position : position + 10]!r}")
        kind = str(match.lastgroup)
        tokens.append((kind, match.group(kind)))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    def expect_end(self) -> None:
        """Raise `InvalidPredicate` when there is text after the predicate."""
        if self._at != len(self._tokens):
            raise InvalidPredicate(f"unexpected {self._tokens[self._at][1]!r}")

    def parse_or(self) -> _Evaluator:
        """Parse parts joined by OR."""
        parts = [self._parse_and()]
        while self._accept("OR", "||"):
            parts.append(self._parse_and())
        return lambda known: any(part(known) for part in parts)

    def _parse_and(self) -> _Evaluator:
        parts = [self._parse_not()]
        while self._accept("AND", "&&"):
            parts.append(self._parse_not())
        return lambda known: all(part(known) for part in parts)

    def _parse_not(self) -> _Evaluator:
        if self._accept("NOT", "!"):
            part = self._parse_not()
            return lambda known: not part(known)
        if self._accept("("):
            part = self.parse_or()
            self._expect(")")
            return part
        if self._accept("TRUEPREDICATE"):
            return lambda _known: True
        if self._accept("FALSEPREDICATE"):
            return lambda _known: False
        left, sign = self._parse_value(), self._next_token()[1].upper()
        if sign not in _OPERATORS:
            raise InvalidPredicate(f"unknown operator {sign!r}")
        right, compare = self._parse_value(), _OPERATORS[sign]
        return lambda known: compare(left(known), right(known))

    def _parse_value(self) -> _Evaluator:
        kind, text = self._next_token()
        match kind:
            case "text":
                text_value = re.sub(r"\\(.)", r"\1", text[1:-1])
                return lambda _known: text_value
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
                return self._parse_list()
        raise InvalidPredicate(f"unexpected {text!r}")

    def _parse_list(self) -> _Evaluator:
        members: list[_Evaluator] = []
        while not self._accept("}"):
            members.append(self._parse_value())
            self._accept(",")
        return lambda known: [member(known) for member in members]

    def _next_token(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise InvalidPredicate("unexpected end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, *texts: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] != "text" and self._tokens[self._at][1].upper() in texts:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise InvalidPredicate(f"{text!r} is missing")


def _look_up(known: Mapping[str, Any], source: str, name: str) -> Any:
    if name not in known:
        raise PredicateNotEvaluable(f"no {source} {name}")
    return known[name]
