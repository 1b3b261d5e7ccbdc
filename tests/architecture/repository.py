"""What the repository offers under a name: files, targets of make, commands, magics, settings, extras."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.main import main as command_line
from cloudops_nb.settings import Settings
from tests.architecture.definitions import Definitions
from tests.architecture.sources import PACKAGE, ROOT, sources_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Folders that are made by running something; those that begin with a dot are left out as well, save CI's.
MADE = {"__pycache__", "build", "dist"}
MAGICS = {"line_magic", "cell_magic", "line_cell_magic"}


@dataclass(frozen=True)
class Repository:
    """The names of a checkout, each kind read when it is first asked for."""

    root: Path

    @cached_property
    def definitions(self) -> Definitions:
        """The names of the package."""
        return Definitions(self.root / PACKAGE)

    @cached_property
    def paths(self) -> set[str]:
        """Every file and folder, relative to the root."""
        found: set[str] = set()
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name == ".ci" or not (name.startswith(".") or name in MADE)]
            place = os.path.relpath(folder, self.root)
            found |= {os.path.normpath(f"{place}/{name}") for name in (*folders, *files)}
        return found

    def has_path(self, written: str) -> bool:
        """Whether a path leads somewhere, from the root or from any folder; ``*`` means any characters."""
        wanted = written.rstrip("/").replace("../", "")
        if "*" in wanted:
            return any(fnmatchcase(f"/{path}", f"*/{wanted}") for path in self.paths)
        return wanted in self.paths or any(path.endswith(f"/{wanted}") for path in self.paths)

    @cached_property
    def targets(self) -> set[str]:
        """The targets of make."""
        return set(re.findall(r"^([a-z][a-z-]*):", (self.root / "Makefile").read_text("utf-8"), re.MULTILINE))

    @cached_property
    def extras(self) -> set[str]:
        """The optional groups of dependencies."""
        return set(tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])

    @cached_property
    def magics(self) -> set[str]:
        """The magics, without their percent signs."""
        return {
            node.name
            for source in sources_in(self.root / PACKAGE)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.FunctionDef)
            if any(isinstance(decorator, ast.Name) and decorator.id in MAGICS for decorator in node.decorator_list)
        }

    @property
    def settings(self) -> set[str]:
        """The fields of the settings."""
        return set(Settings.model_fields)

    @cached_property
    def variables(self) -> set[str]:
        """The environment variables: one for each setting, and those that the code reads."""
        text = "".join(source.text for source in sources_in(self.root / PACKAGE))
        return {f"CLOUDOPS_{name.upper()}" for name in self.settings} | set(re.findall(r'"(CLOUDOPS_[A-Z_]+)"', text))

    @cached_property
    def parts(self) -> set[str]:
        """The folders and modules at the top of the package."""
        return {path.removesuffix(".py").split("/")[1] for path in self.paths if path.startswith(f"{PACKAGE}/")}

    @cached_property
    def decisions(self) -> set[int]:
        """The numbers of the decision records."""
        return {int(found[1]) for path in self.paths if (found := re.match(r"docs/adr/(\d+)-", path))}

    def unknown_word(self, words: Sequence[str]) -> str:
        """Return the first word after ``cloudops-nb`` that is neither a command nor an option; empty if all are known.

        Words after the last command are its arguments, which may be anything.
        """
        command: click.Command = command_line
        for word in words:
            option = word.partition("=")[0]
            if word.startswith("-"):
                if option not in _options(command):
                    return option
            elif not isinstance(command, click.Group) or not word.islower():
                break
            elif word not in command.commands:
                return word
            else:
                command = command.commands[word]
        return ""


def _options(command: click.Command) -> set[str]:
    named = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return named | {"--help", "-h"}


#: This checkout.
REPOSITORY = Repository(ROOT)
