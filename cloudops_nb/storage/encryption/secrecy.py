"""What objects that hold key material have in common: they show nothing and go nowhere."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Secretive:
    """A base for objects with key material: the repr is only a name; pickling and copying are refused."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds key material and is never pickled or copied")
