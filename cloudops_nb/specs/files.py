"""Reads the YAML files that declare resource types: the bundled ones and the user's own.

A *spec* is the declaration of one resource type.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from cloudops_nb.aws.read_only import scan_refusal
from cloudops_nb.declarations.located_yaml import MAX_BYTES, LocatedYaml, read_yaml
from cloudops_nb.declarations.problem_words import problem_words
from cloudops_nb.errors import ConfigurationError, PlaybookError
from cloudops_nb.specs.checked_files import CheckedFiles
from cloudops_nb.specs.model import ResourceSpec, SpecFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)

#: The name of the folder in a data path that contains the user's own declarations.
OWN_SPECS_FOLDER = "specs"
SPEC_FILE_SUFFIXES = (".yaml", ".yml")
_CORRECT_FILE = "Correct the file; cloudops_nb/specs/services contains examples."
_REMOVE_FILE = "Make it a readable file, or remove it."
#: The number of problems that an error lists. Of further problems, the error only gives the number.
_SHOWN_PROBLEMS = 5


@cache
def bundled_specs() -> tuple[ResourceSpec, ...]:
    """Return the specs in this package, sorted by the names of their files."""
    return _read_all(resources.files("cloudops_nb.specs").joinpath("services").iterdir())


def specs_of(data_path: Path) -> tuple[ResourceSpec, ...]:
    """Return the bundled specs and those in the ``specs`` folder of a data path. Raise as :func:`load_specs` does."""
    own = data_path / OWN_SPECS_FOLDER
    return load_specs(own) if os.path.lexists(own) else bundled_specs()


def load_specs(*folders: Path) -> tuple[ResourceSpec, ...]:
    """Return the bundled specs and those in further folders; a later folder's spec replaces an earlier one of its type.

    Args:
        folders: Folders of ``*.yaml`` or ``*.yml`` files, one file per service. Hidden files are ignored.

    Raises:
        ConfigurationError: A folder or a file cannot be read, a file is invalid (the error gives the line and column of
            each problem), or a folder declares a type twice.
    """
    merged = {spec.resource_type: spec for spec in bundled_specs()}
    for folder in folders:
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            what, fix = f"cannot read the spec folder {folder}", "Make it a readable folder, or remove it."
            raise ConfigurationError(what, error.strerror or "", fix) from error
        merged.update({spec.resource_type: spec for spec in _read_all(entries, CheckedFiles(folder))})
    return tuple(merged.values())


@lru_cache(maxsize=256)
def parse_specs(text: str, source: str, *, own: bool = False) -> tuple[ResourceSpec, ...]:
    """Return the specs of one file's text.

    Args:
        text: The file's text.
        source: The file's name in error texts.
        own: Whether to check the specs against botocore's models, too. This is done for a user's own file; the tests
            check the bundled files.

    Raises:
        ConfigurationError: The text is invalid.
    """
    if len(text.encode()) > MAX_BYTES:
        raise ConfigurationError(f"{source} is larger than {MAX_BYTES} bytes", "", "Split it into several files.")
    try:
        located = read_yaml(text, source)
    except PlaybookError as error:
        raise ConfigurationError(error.what, error.why, _CORRECT_FILE) from None
    problems: list[str] = []
    # SpecFile does not validate the declared types. Each is validated separately, so that the error lists all problems.
    file = _validated(SpecFile, located.data, located, (), problems)
    specs = _specs_of_file(file, located, problems, own=own) if file else []
    if problems:
        more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise ConfigurationError(
            f"{source} is not a valid spec", "; ".join(problems[:_SHOWN_PROBLEMS]) + more, _CORRECT_FILE
        )
    return tuple(specs)


def _specs_of_file(file: SpecFile, located: LocatedYaml, problems: list[str], *, own: bool) -> list[ResourceSpec]:
    specs: list[tuple[Sequence[str | int], ResourceSpec]] = []
    for index, data in enumerate(file.types):
        at = ("types", index)
        spec = _validated(ResourceSpec, {"service": file.service, **data}, located, at, problems)
        if spec is None:
            continue
        specs.append((at, spec))
        problems += [str(located.problem((*at, *path), why)) for path, why in _refused_operations(spec)]
    if own and not problems:
        problems += _model_problems(file, specs, located)
    return [spec for _, spec in specs]


def _refused_operations(spec: ResourceSpec) -> Iterator[tuple[Sequence[str | int], str]]:
    """Yield the place and the reason for each operation that a scan must not call.

    This check takes no botocore model, so it runs for every file at every start.
    """
    for path, operation in spec.operations():
        if refusal := scan_refusal(spec.called, operation):
            yield (*path, "operation"), refusal


def _model_problems(
    file: SpecFile, specs: Sequence[tuple[Sequence[str | int], ResourceSpec]], located: LocatedYaml
) -> Iterator[str]:
    """Yield the contradictions between specs and botocore's models; if botocore lacks the service, yield only that."""
    from cloudops_nb.specs.checks import service_problem, spec_problems

    if (problem := service_problem(file.service)) and not all("api" in data for data in file.types):
        yield str(located.problem(("service",), problem))
        return
    for at, spec in specs:
        yield from (str(located.problem((*at, *path), message)) for path, message in spec_problems(spec))


def _read_all(entries: Iterable[Path | Traversable], checked: CheckedFiles | None = None) -> tuple[ResourceSpec, ...]:
    """Return the specs in files.

    Args:
        entries: The content of a folder.
        checked: The record of a user's own folder; ``None`` for the bundled files. A file that is not in the record is
            checked against botocore's models, and added if it passes.
    """
    visible = (each for each in entries if not each.name.startswith("."))
    files = [each for each in visible if each.name.casefold().endswith(SPEC_FILE_SUFFIXES)]
    declared: dict[str, str] = {}
    specs: list[ResourceSpec] = []
    for file in sorted(files, key=lambda each: each.name):
        text = _file_text(file)
        parsed = parse_specs(text, file.name, own=checked is not None and not checked.passed(text))
        if checked:
            checked.add(text)
        for spec in parsed:
            if other := declared.get(spec.resource_type):
                where = f"in {other}" if other == file.name else f"in {other} and in {file.name}"
                raise ConfigurationError(f"resource type {spec.resource_type} is declared twice", where, _CORRECT_FILE)
            declared[spec.resource_type] = file.name
            specs.append(spec)
    if checked:
        checked.save()
    return tuple(specs)


def _file_text(file: Path | Traversable) -> str:
    what = f"cannot read the spec file {file}"
    try:
        if not file.is_file():  # reading a named pipe would block
            raise ConfigurationError(what, "it is not a regular file", _REMOVE_FILE)
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(what, f"line {line} is not UTF-8", "Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(what, error.strerror or type(error).__name__, _REMOVE_FILE) from error


def _validated(
    model: type[Model], data: Any, located: LocatedYaml, at: Sequence[str | int], problems: list[str]
) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            path = (*at, *found["loc"])
            named = ".".join(map(str, found["loc"]))
            message = problem_words(found)
            problems.append(str(located.problem(path, f"{named}: {message}" if named else message)))
        return None
