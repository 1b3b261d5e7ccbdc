"""The settings object of the package.

A setting comes from the first of these sources that has it: a keyword, a ``CLOUDOPS_*`` environment variable,
``config.toml`` in the data path, the default.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cloudops_nb.errors import ConfigurationError, did_you_mean
from cloudops_nb.remote_address import check_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENVIRONMENT_PREFIX = "CLOUDOPS_"
#: The variable with the encryption key. Only the code that looks for the key reads it; no settings object has the key.
KEY_VARIABLE = "CLOUDOPS_ENCRYPTION_KEY"
#: The variable with the playbook server's token. Only the code that sends or serves a request reads it; no settings
#: object has the token.
SERVER_TOKEN_VARIABLE = "CLOUDOPS_SERVER_TOKEN"  # noqa: S105 - a variable's name
#: Variables that have the prefix, but are not settings.
RESERVED_VARIABLES = frozenset({KEY_VARIABLE, SERVER_TOKEN_VARIABLE})
#: Tables of ``config.toml`` that group settings: ``url`` in the table ``[qdrant]`` is the setting ``qdrant_url``.
TABLES = ("qdrant", "embedding", "key", "server", "s3", "backup", "chat", "approval")
#: The longest period that a setting accepts, in days. Python may not be able to represent a date further in the past.
LONGEST_DAYS = 36_500
#: An example for each setting that is a list, for error texts.
_LIST_EXAMPLES = {
    "accounts": '[{"name": "prod", "profile": "prod"}]',
    "regions": '["eu-west-1", "us-east-1"]',
    "services": '["rds", "ec2"]',
}


#: The ARN of an IAM role, with its path, in any partition.
_ROLE_ARN = re.compile(r"arn:aws(-[a-z]+)*:iam::(\d{12}|\*):role/[\w+=,.@/-]+", re.ASCII)
_SHORTEST_SESSION_SECONDS = 900
_ROLE_KEYS = ("external_id", "mfa_serial", "session_name", "duration_seconds")


class AccountSettings(BaseModel):
    """One ``[[accounts]]`` table; see :class:`cloudops_nb.model.Account` for the meaning of the fields.

    The bounds of ``external_id``, ``mfa_serial``, ``session_name`` and ``duration_seconds`` are those of AssumeRole:
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    account_id: str = Field(default="", pattern=r"^(\d{12})?$")
    profile: str = ""
    role_arn: str = ""
    source_profile: str = ""
    environment: str = ""
    operate_profile: str = ""
    operate_role_arn: str = ""
    organization_role: str = Field(default="", pattern=r"^[A-Za-z0-9_+=,.@/-]*$")
    external_id: str = Field(default="", pattern=r"^([A-Za-z0-9_+=,.@:/-]{2,1224})?$")
    mfa_serial: str = Field(default="", pattern=r"^([A-Za-z0-9_+=/:,.@-]{9,256})?$")
    session_name: str = Field(default="", pattern=r"^([A-Za-z0-9_+=,.@-]{2,64})?$")
    duration_seconds: int = Field(default=0, le=43_200)

    @field_validator("role_arn", "operate_role_arn")
    @classmethod
    def _arn_of_a_role(cls, value: str) -> str:
        if value and not _ROLE_ARN.fullmatch(value):
            raise ValueError("must be the ARN of a role, for example arn:aws:iam::123456789012:role/CloudOps")
        return value

    @field_validator("duration_seconds")
    @classmethod
    def _shortest_session(cls, value: int) -> int:
        if value != 0 and value < _SHORTEST_SESSION_SECONDS:
            raise ValueError(f"must be at least {_SHORTEST_SESSION_SECONDS}")
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> AccountSettings:
        if self.profile and self.role_arn:
            raise ValueError("give profile or role_arn, not both")
        if self.operate_profile and self.operate_role_arn:
            raise ValueError("give operate_profile or operate_role_arn, not both")
        if self.organization_role and (self.role_arn or self.operate_profile):
            raise ValueError("organization_role cannot be combined with role_arn or operate_profile")
        return self

    @model_validator(mode="after")
    def _role_keys_have_a_role(self) -> AccountSettings:
        role = self.role_arn or self.operate_role_arn or self.organization_role
        for key in _ROLE_KEYS:
            if getattr(self, key) and not role:
                raise ValueError(f"{key} needs role_arn; a profile has its own in the AWS config file")
        if self.organization_role and self.mfa_serial:
            raise ValueError("organization_role cannot be combined with mfa_serial: each account would need a code")
        return self

    @model_validator(mode="after")
    def _ids_agree(self) -> AccountSettings:
        for key in ("role_arn", "operate_role_arn"):
            role_account = "".join(getattr(self, key).split(":")[4:5])
            if role_account == "*" and not (key == "operate_role_arn" and self.organization_role):
                raise ValueError(f"{key} has * as its account, which only operate_role_arn of an organization may have")
            if role_account.isdigit() and self.account_id and role_account != self.account_id:
                raise ValueError(f"{key} is a role of account {role_account}, but account_id is {self.account_id}")
        return self


class Settings(BaseModel):
    """All settings as flat fields. Settings cannot be changed; create a new object instead.

    Relative paths become absolute. The encryption key is not a setting. The API key of the Qdrant server is a setting,
    and its repr is masked. If the interval of a regular task is 0, the task is off. A retention of 0 days keeps
    everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_path: Path = Path("~/.cloudops")
    accounts: tuple[AccountSettings, ...] = ()
    regions: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    key_source: Literal["auto", "keyring", "file", "environment"] = "auto"
    key_file: Path | None = None

    qdrant_mode: Literal["embedded", "remote"] = "embedded"
    qdrant_url: str = ""
    qdrant_api_key: SecretStr | None = None
    qdrant_prefix: str = Field(default="cloudops_", pattern=r"^[A-Za-z0-9_-]*$")
    qdrant_idle_seconds: float = Field(default=60.0, gt=0)

    embedding_backend: Literal["onnx", "sentence-transformers"] = "onnx"
    embedding_model: str = ""
    embedding_path: Path | None = None

    server_url: str = ""

    s3_bucket: str = ""
    s3_prefix: str = Field(default="cloudops", pattern=r"^[^/]+(/[^/]+)*$|^$")
    s3_profile: str = ""
    s3_region: str = ""
    s3_retention_days: float = Field(default=30.0, ge=0, le=LONGEST_DAYS)
    backup_estate_hours: float = Field(default=6.0, ge=0, le=24 * LONGEST_DAYS)
    backup_chat_hours: float = Field(default=24.0, ge=0, le=24 * LONGEST_DAYS)
    backup_retention_days: float = Field(default=7.0, ge=0, le=LONGEST_DAYS)
    chat_retention_days: float = Field(default=90.0, ge=0, le=LONGEST_DAYS)

    scan_threads: int = Field(default=64, ge=1, le=512)
    regular_scans: bool = False
    full_scan_hours: float = Field(default=6.0, ge=0, le=24 * LONGEST_DAYS)
    incremental_scan_minutes: float = Field(default=15.0, ge=0, le=24 * 60 * LONGEST_DAYS)
    approval_minutes: float = Field(default=15.0, gt=0, le=24 * 60)

    @field_validator("data_path", "key_file", "embedding_path")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 - keeps symlinks

    @field_validator("qdrant_url", "server_url")
    @classmethod
    def _safe_address(cls, value: str, info: ValidationInfo) -> str:
        if value:
            check_address(str(info.field_name), value)
        return value

    @model_validator(mode="after")
    def _url_and_mode_agree(self) -> Settings:
        """Check that ``qdrant_mode`` and ``qdrant_url`` agree. A URL without a mode means remote mode."""
        if self.qdrant_mode == "remote" and not self.qdrant_url:
            raise ValueError("qdrant_mode is remote, but qdrant_url is not set")
        if self.qdrant_url and "qdrant_mode" in self.model_fields_set and self.qdrant_mode == "embedded":
            raise ValueError("qdrant_mode is embedded, but qdrant_url is set; remove one of them")
        return self

    @property
    def remote(self) -> bool:
        """Whether the Qdrant collections are on a server or cluster, instead of in the data path."""
        return bool(self.qdrant_url)

    @property
    def models_path(self) -> Path:
        """The folder that contains exported embedding models."""
        return self.embedding_path or self.data_path / "models"


def load_settings(
    data_path: str | Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Settings:
    """Read all sources, and return the settings.

    Args:
        data_path: The store's folder. It takes precedence over the ``data_path`` of every other source.
        environment: The environment variables; ``os.environ`` if not given.
        keywords: Settings. A setting that is ``None`` counts as not given.

    Raises:
        ConfigurationError: ``config.toml`` cannot be read, a setting's name is unknown, or a value is invalid. For an
            unknown name, the error suggests the nearest name, or lists all names if none is near.
    """
    variables = os.environ if environment is None else environment
    from_environment = _environment_settings(variables)
    given = {key: value for key, value in keywords.items() if value is not None}
    _refuse_unknown(given, "keyword")
    if data_path is not None:
        given["data_path"] = data_path
    folder = Path(given.get("data_path") or from_environment.get("data_path") or Settings().data_path).expanduser()
    config_file = folder / "config.toml"
    from_file = _file_settings(config_file)
    try:
        return Settings(**{**from_file, **from_environment, **given, "data_path": folder})
    except ValidationError as error:
        fixes = {
            **dict.fromkeys(from_file, f"Correct it in {config_file}."),
            **{name: f"Correct the variable {ENVIRONMENT_PREFIX}{name.upper()}." for name in from_environment},
            **dict.fromkeys(given, ""),
        }
        raise _configuration_error(error, fixes) from None


def _configuration_error(error: ValidationError, fixes: Mapping[str, str]) -> ConfigurationError:
    """Return an error for the first problem that pydantic found, without the value, which may be secret.

    ``fixes`` says, by the name of the setting, where to correct it.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    fix = fixes.get(str(first["loc"][0]), "") if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        # A key with a path, such as accounts.0.profle, is the key of an account; the others are settings.
        names, kind = (AccountSettings, "keys of an account") if "." in name else (Settings, "settings")
        why = _nearest_setting(name.rsplit(".", 1)[-1], list(names.model_fields), kind)
        return ConfigurationError(f"unknown setting {name}", why, fix)
    what = f"invalid value for {name}" if name else "invalid settings"
    if first["type"] == "tuple_type":
        return ConfigurationError(what, f"expected a list, for example {_LIST_EXAMPLES[name]}", fix)
    message = first["msg"].removeprefix("Value error, ")
    return ConfigurationError(what, re.sub("^Input should be", "must be", message), fix)


def _nearest_setting(name: str, names: Sequence[str], kind: str = "settings") -> str:
    return did_you_mean(name, names, otherwise=f"the {kind} are {', '.join(sorted(names))}")


def _refuse_unknown(settings: Mapping[str, Any], source: str) -> None:
    for key in settings:
        if key not in Settings.model_fields:
            raise ConfigurationError(
                f"unknown setting {key} ({source})", _nearest_setting(key, list(Settings.model_fields))
            )


def _file_settings(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            data = tomllib.load(stream)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read {path}", str(error), "Correct the file, or move it to a different folder."
        ) from error
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if key in TABLES and isinstance(value, dict):
            flat.update({f"{key}_{name}": inner for name, inner in value.items()})
        else:
            flat[key] = value
    _refuse_unknown(flat, str(path))
    if "data_path" in flat:
        raise ConfigurationError(
            f"data_path is set in {path}", "this file is read from the data path", "Remove data_path from it."
        )
    return flat


def _environment_settings(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, value in variables.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in RESERVED_VARIABLES or value == "":
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        _refuse_unknown({name: value}, f"environment variable {variable}")
        if name == "accounts":
            raise ConfigurationError(
                f"{variable} cannot hold accounts",
                "an account is a table, not a text",
                "Use [[accounts]] in config.toml.",
            )
        found[name] = _list_items(value) if name in _LIST_EXAMPLES else value
    return found


def _list_items(value: str) -> tuple[str, ...]:
    """Return the items of a list that an environment variable holds, separated by commas; empty items are left out."""
    return tuple(item for part in value.split(",") if (item := part.strip()))
