"""``%config CloudOps.…``: the fields of :class:`cloudops_nb.settings.Settings` as traits that IPython can configure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets import Any
from traitlets.config import Configurable

from cloudops_nb.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    import typing

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.notebook.session import Session


class CloudOps(Configurable):
    """Settings of CloudOps in this notebook; they override config.toml and the environment.

    The traits repeat the names and defaults of the fields of ``Settings``. They are not read from ``Settings``, because
    importing it imports pydantic, which would make loading the extension slow. ``Settings`` validates the values. There
    is no trait for the API key of a Qdrant server, because notebooks are saved and shared.
    """

    data_path = Any("~/.cloudops", help="The store's folder.").tag(config=True)
    accounts = Any((), help="The AWS accounts: dicts with name and profile or role_arn.").tag(config=True)
    regions = Any((), help="The regions to scan; empty for all that the accounts have enabled.").tag(config=True)
    services = Any((), help="The services or types to scan; empty for all.").tag(config=True)
    key_source = Any("auto", help="The source of the key: auto, keyring, file or environment.").tag(config=True)
    key_file = Any(None, help="A file of mode 0600 with the key in hexadecimal.").tag(config=True)
    qdrant_mode = Any("embedded", help="embedded, or remote for a Qdrant server.").tag(config=True)
    qdrant_url = Any("", help="The address of the Qdrant server, for remote mode.").tag(config=True)
    qdrant_prefix = Any("cloudops_", help="The prefix of the collection names on the Qdrant server.").tag(config=True)
    qdrant_idle_seconds = Any(60.0, help="Seconds without requests after which the store process exits.").tag(
        config=True
    )
    embedding_backend = Any("onnx", help="onnx or sentence-transformers.").tag(config=True)
    embedding_model = Any("", help="The embedding model; empty for the bundled one.").tag(config=True)
    embedding_path = Any(None, help="The folder of exported models.").tag(config=True)
    server_url = Any("", help="The address of the playbook server; empty to run it in this process.").tag(config=True)
    s3_bucket = Any("", help="The bucket for backups.").tag(config=True)
    s3_prefix = Any("cloudops", help="The prefix of the backups' keys in the bucket.").tag(config=True)
    s3_profile = Any("", help="The AWS profile with access to the bucket.").tag(config=True)
    s3_region = Any("", help="The bucket's region.").tag(config=True)
    s3_retention_days = Any(30.0, help="Days that backups stay in the bucket; 0 for ever.").tag(config=True)
    backup_estate_hours = Any(6.0, help="Hours between snapshots of the estate; 0 for never.").tag(config=True)
    backup_chat_hours = Any(24.0, help="Hours between snapshots of the conversations; 0 for never.").tag(config=True)
    backup_retention_days = Any(7.0, help="Days that backups stay on this disk; 0 for ever.").tag(config=True)
    chat_retention_days = Any(90.0, help="Days until an unused conversation is deleted; 0: never.").tag(config=True)
    scan_threads = Any(64, help="The number of threads with which a scan reads.").tag(config=True)
    regular_scans = Any(default_value=False, help="Whether notebooks run due scans by themselves.").tag(config=True)
    full_scan_hours = Any(6.0, help="Hours between scheduled scans of everything; 0 for never.").tag(config=True)
    incremental_scan_minutes = Any(15.0, help="Minutes between scheduled scans of changes; 0 for never.").tag(
        config=True
    )
    approval_minutes = Any(15.0, help="Minutes for which a plan can be approved.").tag(config=True)

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self._session = session
        given = dict(shell.config.get(type(self).__name__, {}))
        _refuse_unknown(given, self.trait_names(config=True))
        # The values are validated when CloudOps is opened, because validating them here would import pydantic.
        session.preset(**given)
        super().__init__(config=shell.config)

    def update_config(self, config: typing.Any) -> None:
        """Apply the settings of a ``%config`` line.

        Raises:
            ConfigurationError: A setting is unknown (the error suggests a similar name), or a value is invalid.
        """
        given = dict(config.get(type(self).__name__, {}))
        if not given:
            return
        _refuse_unknown(given, self.trait_names(config=True))
        self._session.configure(**given)
        super().update_config(config)


def _refuse_unknown(given: typing.Mapping[str, object], names: typing.Sequence[str]) -> None:
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names, otherwise="%config CloudOps lists the settings")
            raise ConfigurationError(f"there is no setting CloudOps.{name}", hint)
