"""Decodes the bytes of a text file of a school. Without a mark of its encoding the letters decide: French names use few of all those that
an encoding has, and a wrong encoding shows others. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

from enrollment.rosters.files.errors import UnreadableRoster


class Encoding(StrEnum):
    """An encoding that is read, by the name under which Python knows it."""

    UTF_8 = "utf-8"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    UTF_32 = "utf-32"
    WINDOWS = "cp1252"
    LATIN_9 = "iso8859-15"
    DOS = "cp850"  # its letters used in French lie where code page 437 has them
    MAC = "mac-roman"


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text of a file and its encoding. `is_guess`: the encoding is unusual or nearly doubtful, so a person should look at the names."""

    text: str
    encoding: Encoding
    is_guess: bool = False


_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", Encoding.UTF_8),
    (b"\xff\xfe\x00\x00", Encoding.UTF_32),
    (b"\x00\x00\xfe\xff", Encoding.UTF_32),
    (b"\xff\xfe", Encoding.UTF_16_LE),
    (b"\xfe\xff", Encoding.UTF_16_BE),
)
#: Candidates for bytes that are not UTF-8. The first two are what software for schools writes.
_CANDIDATES = (Encoding.WINDOWS, Encoding.LATIN_9, Encoding.DOS, Encoding.MAC)
_EXPECTED = frozenset({Encoding.WINDOWS, Encoding.LATIN_9})
#: A candidate is certain when it is this much cheaper than the next one that reads another text.
_MARGIN = 3
#: So many characters decide, whatever the size of the file.
_SAMPLE = 20_000
#: A file in which more than one in this many letters with accents are implausible is not in any of the encodings.
_ONE_IN = 10
#: The end of a text for DOS, and padding after it.
_TAIL = b"\x00\x1a"


def decode_text(content: bytes) -> DecodedText:
    """Return the text with one line feed at the end of each line and without byte order marks.

    Raises `UnreadableRoster` with `binary`, or `encoding_suspect` when the text was decoded wrongly before or its encoding is doubtful.
    """
    decoded = _decode(content)
    if "\0" in decoded.text:
        raise UnreadableRoster(why="binary")
    text = decoded.text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")
    if "\ufffd" in text or _was_decoded_wrongly(text):
        raise UnreadableRoster(why="encoding_suspect")
    return DecodedText(text, decoded.encoding, decoded.is_guess)


def _decode(content: bytes) -> DecodedText:
    encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if encoding in (None, Encoding.UTF_8):
        encoding = _detect_utf_16(content) or Encoding.UTF_8
    if encoding is not Encoding.UTF_8:
        try:
            return DecodedText(content.decode(encoding), encoding)
        except UnicodeDecodeError as error:
            raise UnreadableRoster(why="binary") from error
    body = content.removeprefix(b"\xef\xbb\xbf").rstrip(_TAIL)
    if b"\0" in body:
        raise UnreadableRoster(why="binary")
    try:
        return DecodedText(body.decode("utf-8"), Encoding.UTF_8)
    except UnicodeDecodeError:
        return _guess_encoding(body)


def _detect_utf_16(content: bytes) -> Encoding | None:
    """Return the byte order of UTF-16 without its mark: every second byte of most letters is zero, and no other byte is."""
    even, odd = content[0::2].count(0), content[1::2].count(0)
    half = len(content) // 2
    if odd > half * 0.8 and even == 0:
        return Encoding.UTF_16_LE
    return Encoding.UTF_16_BE if even > half * 0.8 and odd == 0 else None


def _guess_encoding(content: bytes) -> DecodedText:
    """Return the cheapest reading. Raises `UnreadableRoster` when another is nearly as cheap or none is good."""
    readings: dict[str, tuple[int, Encoding]] = {}
    for encoding in _CANDIDATES:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text not in readings:
            readings[text] = (_rate(text), encoding)
    ranked = sorted(readings.items(), key=lambda reading: reading[1][0])
    text, (cost, encoding) = ranked[0]
    lead = ranked[1][1][0] - cost if len(ranked) > 1 else _MARGIN
    is_expected = encoding in _EXPECTED
    costs = [_rate_character(*place) for place in _list_places(text)]
    is_implausible = sum(each >= _IMPLAUSIBLE for each in costs) * _ONE_IN > len(costs)
    if is_implausible or lead < (1 if is_expected else _MARGIN):
        raise UnreadableRoster(why="encoding_suspect")
    return DecodedText(text, encoding, is_guess=not is_expected or lead < _MARGIN)


#: Costs of a character. Letters are compared in lower case.
_COMMON = frozenset("éèêëçàâîïôûùœ")
_RARE = {"ü": 2, "ö": 2, "ä": 3, "æ": 1, "ÿ": 3}
_FOREIGN, _IMPLAUSIBLE = 4, 10
#: A lower-case letter among capitals: software of the past could not make a capital of a letter with an accent.
_CAPITALS_WITHOUT_IT = 2
#: A capital among lower-case letters: no name is written so.
_CAPITAL_INSIDE = 4
_KNOWN_WORD = -4
_BETWEEN_WORDS = frozenset("«»“”„‘’–—…•·€£§°º²³©®™\u00a0\u202f")
_APOSTROPHES, _DASHES = frozenset("’‘"), frozenset("–—")
#: The letters before an apostrophe: d'Artagnan, l'école, qu'il.
_ELIDED = frozenset("cdjlmnstuCDJLMNSTUoO")
_WORD = re.compile(r"[^\W\d_]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _rate(text: str) -> int:
    """Return how unlikely it is that somebody wrote this text; words that are known count against it."""
    cost = sum(_rate_character(*place) for place in _list_places(text))
    words = islice((match.group() for match in _WORD.finditer(text) if not match.group().isascii()), _SAMPLE)
    return cost + sum(_KNOWN_WORD for word in words if word.upper() in _load_accented_words())


def _list_places(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the first characters that are not ASCII, each with the letters of its word before and after it."""
    for match in islice(_NOT_ASCII.finditer(text), _SAMPLE):
        start, end = match.span()
        while start > 0 and text[start - 1].isalpha() and match.start() - start < _LONGEST:
            start -= 1
        while end < len(text) and text[end].isalpha() and end - match.end() < _LONGEST:
            end += 1
        yield match.group(), text[start : match.start()], text[match.end() : end]


#: No more letters of a word than this are looked at on each side.
_LONGEST = 30


def _rate_character(character: str, before: str, after: str) -> int:
    if not character.isalpha():
        return _rate_sign(character, before, after)
    lower = character.lower()
    cost = 0 if lower in _COMMON else _RARE.get(lower, _FOREIGN)
    if not character.isupper() and lower not in _COMMON and lower not in _RARE and not _is_latin_letter(character):
        return _IMPLAUSIBLE  # ª, º, ƒ, Greek letters
    neighbors = before + after
    if character.isupper():
        return cost + (_CAPITAL_INSIDE if before[-1:].islower() else 0)
    return cost + (
        _CAPITALS_WITHOUT_IT if sum(each.isupper() for each in neighbors) > len(neighbors) / 2 and len(neighbors) > 1 else 0
    )


def _is_latin_letter(character: str) -> bool:
    return "\u00c0" <= character <= "\u017f"


def _rate_sign(character: str, before: str, after: str) -> int:
    if before and after:
        is_apostrophe = character in _APOSTROPHES and before[-1] in _ELIDED
        return 0 if is_apostrophe else 1 if character in _DASHES else _IMPLAUSIBLE
    if character == "\u00a0":
        return 0
    if before or after:
        return 2 if character in _BETWEEN_WORDS else _IMPLAUSIBLE
    return 1 if character in _BETWEEN_WORDS else _FOREIGN


@cache
def _load_accented_words() -> frozenset[str]:
    """Return the words with accents by which an encoding is recognised: names, and words of headers. In capitals."""
    return frozenset(json.loads((Path(__file__).parent / "accented_words.json").read_text("utf-8")))


_RUN = re.compile(r"[^\x00-\x7f]{2,}")
#: What UTF-8 was taken for when its bytes became other characters.
_TAKEN_FOR = ("cp1252", "latin-1", "cp850", "mac-roman")


def _was_decoded_wrongly(text: str) -> bool:
    """Return whether some characters are those of UTF-8 that was read in another encoding and saved again."""
    return any(_is_misread_letter(pair) for match in _RUN.finditer(text) for pair in pairwise(match.group()))


def _is_misread_letter(pair: tuple[str, str]) -> bool:
    """Return whether two characters are the two bytes of a letter of Western Europe. A pair of two real letters never is."""
    for encoding in _TAKEN_FOR:
        try:
            content = b"".join(_encode_character(character, encoding) for character in pair)
            if _is_latin_letter(content.decode("utf-8")):
                return True
        except UnicodeError:
            continue
    return False


def _encode_character(character: str, encoding: str) -> bytes:
    """Return a character in an encoding. Those that Windows-1252 leaves undefined stay control characters, as browsers read them."""
    return character.encode("latin-1" if encoding == "cp1252" and "\x80" <= character <= "\x9f" else encoding)
