"""A prompt as it is being read on the host: its tokens, and what each was taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cloudops_nb.errors import PromptError
from cloudops_nb.protocol import MAX_VALUES, MAX_WORDS
from cloudops_nb.understanding.tokens import Token, ValueType, tokenize, value_type
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A published word; part of what names the target; an account or region; a value; or not understood yet.
Role = Literal["word", "target", "place", "value", "open"]
#: A name may hold spaces; longer runs of tokens are not tried as one name.
LONGEST_NAME = 4


@dataclass(slots=True)
class Reading:
    """The tokens of one prompt and the role of each; roles change while the prompt is resolved."""

    tokens: list[Token]
    roles: list[Role]

    @classmethod
    def of(cls, prompt: str) -> Reading:
        """Split a prompt; published words are ``word``, all else is ``open``.

        Raises:
            PromptError: The prompt is empty or longer than a request may be.
        """
        tokens = tokenize(prompt)
        if not tokens:
            raise PromptError("the request is empty", "", "Say what to do and to what, as in: stop jenkins")
        if len(tokens) >= MAX_WORDS:
            why = f"{len(tokens)} words, the most is {MAX_WORDS - 1}"
            raise PromptError("the request is too long", why, "Ask in parts.")
        public = vocabulary().words
        return cls(tokens, ["word" if t.folded in public and not t.quoted else "open" for t in tokens])

    @property
    def words(self) -> list[str]:
        """The published words, in order."""
        return [token.folded for token, role in zip(self.tokens, self.roles, strict=True) if role == "word"]

    def places(self, role: Role) -> list[int]:
        """Return where the tokens of a role stand."""
        return [place for place, each in enumerate(self.roles) if each == role]

    def spans(self) -> Iterator[range]:
        """Yield every run of tokens that could be one name, the longest first."""
        for length in range(min(LONGEST_NAME, len(self.tokens)), 0, -1):
            for start in range(len(self.tokens) - length + 1):
                yield range(start, start + length)

    def text(self, span: range) -> str:
        """Return a run of tokens as one text."""
        return " ".join(self.tokens[place].text for place in span)

    def follows_naming(self, place: int) -> bool:
        """Whether the word before says that what follows is a name for something new."""
        return place > 0 and self.tokens[place - 1].folded in vocabulary().naming

    def travelling(self, *, with_target: bool) -> tuple[tuple[str, ...], dict[str, str], dict[str, ValueType]]:
        """Return the prompt as it may travel, and the text and the type behind each value slot.

        Raises:
            PromptError: There are more values than a request may hold.
        """
        words: list[str] = []
        values: dict[str, str] = {}
        types: dict[str, ValueType] = {}
        for token, role in zip(self.tokens, self.roles, strict=True):
            if role == "word":
                words.append(token.folded)
            elif role == "target":
                words += [] if "r1" in words else ["r1"]
            else:
                slot = next((known for known, text in values.items() if text == token.text), f"v{len(values) + 1}")
                values[slot] = token.text
                types[slot] = "place" if role == "place" else value_type(token.text)
                words.append(slot)
        if len(values) > MAX_VALUES:
            why = f"{len(values)}, the most is {MAX_VALUES}"
            raise PromptError("the request holds too many values", why, "Ask in parts.")
        if with_target and "r1" not in words:
            words.append("r1")
        return tuple(words), values, types
