"""Scans an estate by cells, each an account, a region and a resource type, and ends every cell in an explicit state."""

from cloudops_nb.aws.account_session import Caller
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.aws.user_agent import purpose
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.scanner.running.scan_progress import Progress
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.scanner.task import PlannedCall
from cloudops_nb.specs.files import bundled_specs, load_specs
from cloudops_nb.specs.model import ResourceSpec

__all__ = [
    "AccountSessions",
    "Caller",
    "PageRead",
    "PlannedCall",
    "Progress",
    "ResourceSpec",
    "ScanReport",
    "Scanner",
    "bundled_specs",
    "load_specs",
    "purpose",
]
