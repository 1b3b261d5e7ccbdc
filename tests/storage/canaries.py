"""Looks for known values in files, in every likely encoding."""

from __future__ import annotations

import base64
import gzip
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_PAGE = 4096
_ZEROS = bytes(_PAGE)
#: The first bytes of gzip members and of zlib streams at the usual levels.
_COMPRESSED = (b"\x1f\x8b\x08", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
#: Shorter texts occur by chance once they are decompressed out of rubbish.
_SHORTEST = 8


def forms(value: str) -> set[bytes]:
    """Every form of a value that is looked for: as text in three encodings, in hexadecimal digits, in base64."""
    texts = {value, value.casefold(), value.upper(), value[::-1]}
    plain = {text.encode(code) for text in texts for code in ("utf-8", "utf-16-le", "utf-16-be")}
    coded = {form for raw in plain for form in (raw.hex().encode(), raw.hex().upper().encode(), *_base64(raw))}
    return plain | coded


def found(content: bytes, values: Iterable[str]) -> set[str]:
    """The values that occur in the content, or in anything compressed within it, in any form."""
    present = b"".join(page for page in _pages(content) if page != _ZEROS[: len(page)])
    searched = [present, *_decompressed(present)]
    return {value for value in values if any(form in text for form in forms(value) for text in searched)}


def readable(files: Iterable[Path], values: Sequence[str]) -> dict[str, set[str]]:
    """The values that each file gives away, by path; its name counts as content."""
    looks = ((path, found(path.read_bytes() + str(path).encode(), values)) for path in files if path.is_file())
    return {str(path): values for path, values in looks if values}


def _pages(content: bytes) -> Iterator[bytes]:
    return (content[start : start + _PAGE] for start in range(0, len(content), _PAGE))


def _base64(raw: bytes) -> Iterator[bytes]:
    """The part of a base64 text that is the same whatever surrounds the value, at each of three alignments."""
    for shift in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            whole = (len(raw) + shift) // 3 * 3
            yield alphabet(bytes(shift) + raw)[(4 if shift else 0) : whole // 3 * 4]


def _decompressed(content: bytes) -> Iterator[bytes]:
    for magic in _COMPRESSED:
        place = content.find(magic)
        while place >= 0:
            inner = _inflated(content[place:])
            if len(inner) >= _SHORTEST:
                yield inner
            place = content.find(magic, place + 1)


def _inflated(content: bytes) -> bytes:
    engine = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
    try:
        return engine.decompress(content, 1 << 26)
    except (zlib.error, gzip.BadGzipFile):
        return b""
