"""The estate scanner: accounts by regions by resource types, read in cells that each end in an explicit state."""

from cloudops_nb.scanner.account_session import Caller
from cloudops_nb.scanner.progress import Progress
from cloudops_nb.scanner.reading import PageRead
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.scanner.sessions import AccountSessions
from cloudops_nb.scanner.spec import ResourceSpec
from cloudops_nb.scanner.spec_files import bundled_specs, load_specs
from cloudops_nb.scanner.tasks import PlannedCall
from cloudops_nb.scanner.user_agent import purpose

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
