"""Reads the declarations of resource types from YAML, the bundled ones and a user's own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from cloudops_nb.errors import ConfigurationError, PlaybookError
from cloudops_nb.scanner.spec import ResourceSpec, SpecFile
from cloudops_nb.ssm.located_yaml import LocatedYaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)

#: The folder in a data path with declarations of the user's own.
OWN_FOLDER = "specs"
_FIX = "Correct the file; cloudops_nb/scanner/specs holds examples."


@cache
def bundled_specs() -> tuple[ResourceSpec, ...]:
    """Return the package's own specs, in the order of their services' names."""
    return _read_all(resources.files("cloudops_nb.scanner").joinpath("specs").iterdir())


def specs_of(data_path: Path) -> tuple[ResourceSpec, ...]:
    """Return the bundled specs with the user's own in a data path; raises as :func:`load_specs`."""
    own = data_path / OWN_FOLDER
    return load_specs(own) if own.is_dir() else bundled_specs()


def load_specs(*folders: Path) -> tuple[ResourceSpec, ...]:
    """Return the bundled specs with those of further folders; a later spec replaces an earlier one of its type.

    Args:
        folders: Folders of ``*.yaml`` files, one file a service.

    Raises:
        ConfigurationError: A file is not a valid spec; every problem is named with its line and column.
    """
    merged = {spec.resource_type: spec for spec in bundled_specs()}
    for folder in folders:
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise ConfigurationError(f"cannot read the spec folder {folder}", error.strerror or "", _FIX) from error
        merged.update({spec.resource_type: spec for spec in _read_all(entries)})
    return tuple(merged.values())


def parse_specs(text: str, source: str) -> tuple[ResourceSpec, ...]:
    """Return the specs of one file's text.

    Raises:
        ConfigurationError: As for :func:`load_specs`.
    """
    try:
        located = read_yaml(text, source)
    except PlaybookError as error:
        raise ConfigurationError(error.what, error.why, _FIX) from None
    problems: list[str] = []
    file = _validated(SpecFile, located.data, located, (), problems)
    specs = [
        _validated(ResourceSpec, {"service": file.service, **data}, located, ("types", index), problems)
        for index, data in enumerate(file.types if file else ())
        if file
    ]
    if problems:
        raise ConfigurationError(f"{source} is not a valid spec", "; ".join(problems), _FIX)
    return tuple(spec for spec in specs if spec)


def _read_all(entries: Iterable[Path | Traversable]) -> tuple[ResourceSpec, ...]:
    files = sorted((entry for entry in entries if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    specs = [spec for file in files for spec in parse_specs(file.read_text(encoding="utf-8"), file.name)]
    seen: set[str] = set()
    for spec in specs:
        if spec.resource_type in seen:
            raise ConfigurationError(f"resource type {spec.resource_type} is declared twice", "", _FIX)
        seen.add(spec.resource_type)
    return tuple(specs)


def _validated(
    model: type[Model], data: Any, located: LocatedYaml, at: Sequence[str | int], problems: list[str]
) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            path = (*at, *found["loc"])
            message = found["msg"].removeprefix("Value error, ")
            problems.append(str(located.problem(path, f"{'.'.join(map(str, found['loc']))}: {message}")))
        return None
