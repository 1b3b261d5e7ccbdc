"""Parses the lines of the magics with IPython's parser, plus ``--help``, unabbreviated flags and one-line errors."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand
from IPython.core.magic_arguments import argument as _argument
from IPython.core.magic_arguments import magic_arguments

from cloudops_nb.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

Magic = Callable[..., Any]
_UNKNOWN_FLAG = re.compile(r"unrecognized arguments: .*?(-[-\w]+)")


def argument(*names: str, **options: Any) -> Callable[[Magic], Magic]:
    """Declare one argument of a magic, with the parameters of ``ArgumentParser.add_argument``."""
    declare: Callable[[Magic], Magic] = _argument(*names, **options)  # type: ignore[no-untyped-call]  # IPython's
    return declare


#: The flag ``-o VAR``, which every magic with a result has.
output = argument(
    "-o", "--output", metavar="VAR", default="", help="Keep the result in this variable instead of showing it."
)


def cloudops_magic(function: Callable[..., Any]) -> Magic:
    """Turn ``function(self, args, body)`` into a magic, which parses its line and passes the arguments as ``args``.

    The :func:`argument` decorators below this decorator declare the arguments. IPython does not expand ``{x}`` and
    ``$x`` in the line, because a prompt is not a template. Flags must be written in full, ``-h`` prints the help, and
    ``-o VAR`` assigns the result to a variable.

    Raises:
        ConfigurationError: The line cannot be parsed. For an unknown flag, the error suggests a similar flag.
    """
    asks_help = argument("-h", "--help", action="store_true", help="Show this help.")
    parsed = magic_arguments()(asks_help(function))  # type: ignore[no-untyped-call]  # IPython's
    parser: ArgumentParser = parsed.parser
    # By default, argparse would accept --reg for --region.
    parser.allow_abbrev = False

    @functools.wraps(parsed)
    def magic(self: Any, line: str, cell: str | None = None) -> Any:
        args = None if _asks_help(line) else _parsed_line(parser, line)
        if args is None or args.help:
            print(parser.format_help())  # noqa: T201 - the notebook's own output
            return None
        result = function(self, args, cell or "")
        name = getattr(args, "output", "")
        if not name:
            return result
        self.session.set_variable(name, result)
        return None

    return no_var_expand(magic)


def flags_of(magic: Magic) -> list[str]:
    """Return the flags of a magic, for completion."""
    return sorted(magic.parser._option_string_actions)  # type: ignore[attr-defined]  # noqa: SLF001 - no public list


def _asks_help(line: str) -> bool:
    """Return whether a line is the help flag alone; argparse would miss the required arguments."""
    return line.split() in (["-h"], ["--help"])


def _parsed_line(parser: ArgumentParser, line: str) -> Namespace:
    try:
        return parser.parse_argstring(line)  # type: ignore[attr-defined,no-any-return]  # IPython's own class
    except (UsageError, ValueError) as error:
        raise ConfigurationError(
            f"cannot parse the line of %{parser.prog}",
            _parse_failure(parser, str(error)),
            f"See %{parser.prog} --help.",
        ) from None


def _parse_failure(parser: ArgumentParser, message: str) -> str:
    unknown = _UNKNOWN_FLAG.search(message)
    if unknown is None:
        return message
    hint = did_you_mean(unknown[1], parser._option_string_actions)  # noqa: SLF001 - argparse has no public list
    return f"there is no flag {unknown[1]}" + (f"; {hint}" if hint else "")
