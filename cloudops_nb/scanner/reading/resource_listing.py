"""Lists the items of a type page by page, with one call per parent for types that are listed per parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import Failure, error_code, error_message
from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellState
from cloudops_nb.scanner.calls.call_errors import BrokenAnswerError, ScanStoppedError, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.task import ScanTask
    from cloudops_nb.specs.model import ListCall

    FanOut = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]

#: Parents that are listed before their items are yielded, so that rows flow while many parents are listed.
_PARENTS = 50


@dataclass(frozen=True, slots=True)
class _ChildListing:
    """The items of one parent, the number of their pages, and the failure that ended the listing early, if any."""

    items: Sequence[Mapping[str, Any]]
    pages: int
    failure: Failure | None = None


class ResourceListing:
    """One listing with all its pages; each attempt makes a new one, which is read once.

    Args:
        task: The list call.
        calls: The paced calls into the task's account.
        fan_out: Maps a function over parents, in parallel where there are free threads.
    """

    def __init__(self, task: ScanTask, calls: AwsCalls, fan_out: FanOut) -> None:
        self._spec = task.spec
        self._region = task.call_region
        self._account_id = task.account.account_id
        self._calls = calls
        self._fan_out = fan_out
        self._parents = 0
        self._unlisted: list[Failure] = []
        #: Pages of the list call itself, without the pages of parents.
        self.pages = 0

    @property
    def failure(self) -> Failure | None:
        """The reason why some parents' resources are missing, ``None`` if every parent was listed to its end."""
        if not self._unlisted:
            return None
        # A transient failure says more about the next scan than a permanent one.
        worst = next((each for each in self._unlisted if each.transient), self._unlisted[0])
        into = self._spec.parent.into if self._spec.parent else ""
        what = f"{len(self._unlisted)} of {self._parents} parents ({into}) not listed"
        return Failure(worst.state, f"{what}: {worst.detail}")

    def chunks(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the items as they arrive, without those of other accounts.

        A parent that fails loses only its own items; :attr:`failure` reports it. Any other failure is raised as by
        :meth:`~cloudops_nb.scanner.calls.aws_calls.AwsCalls.pages`; expired credentials are always raised.

        Raises:
            BrokenAnswerError: An answer came without its list.
            NotOfferedError: The service has no endpoint in the region.
        """
        self._calls.check_offered(self._spec.called, self._region)
        parent = self._spec.parent
        if parent is None:
            for page in self._item_pages(self._spec.list, {}):
                self.pages += 1
                yield self._owned_items(page)
            return
        for page in self._item_pages(parent.list, {}):
            self._parents += len(page)
            for start in range(0, len(page), _PARENTS):
                read: Sequence[_ChildListing] = self._fan_out(self._child_listing, page[start : start + _PARENTS])
                self.pages += sum(each.pages for each in read)
                self._unlisted += [each.failure for each in read if each.failure]
                yield self._owned_items([item for each in read for item in each.items])

    def _child_listing(self, of: Mapping[str, Any]) -> _ChildListing:
        """List one parent's resources; a parent that was deleted in between has no resources."""
        parent = self._spec.parent
        assert parent is not None  # noqa: S101 - a parent's item exists only where the spec has a parent
        items: list[Mapping[str, Any]] = []
        pages = 0
        try:
            given = {name: select(selector, of) for name, selector in parent.parameters.items()}
            for page in self._item_pages(self._spec.list, given):
                pages += 1
                items += [{**item, parent.into: of} for item in page]
        except ScanStoppedError:
            raise
        except Exception as error:
            if isinstance(error, ClientError) and error_code(error) in parent.gone:
                return _ChildListing((), pages)
            failure = failure_of(error, region=self._region)
            if failure.state is CellState.EXPIRED:
                raise
            return _ChildListing(items, pages, failure)
        return _ChildListing(items, pages)

    def _item_pages(self, call: ListCall, given: Mapping[str, Any]) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the items of every page; a service that is not in use in the region has no pages."""
        begun = False
        rules = call.pages.as_botocore(call.items) if call.pages else None
        parameters = {**call.parameters, **given}
        try:
            for page in self._calls.pages(
                self._spec.called, self._region, call.operation, parameters, call.page_size, rules=rules
            ):
                begun = True
                yield _page_items(call, page)
        # Some services that are not enabled answer with an error. After a first page that error means a failure.
        except ClientError as error:
            if begun or not call.tells_absence(error_code(error), error_message(error)):
                raise

    def _owned_items(self, items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        owner = self._spec.owner
        if owner is None:
            return items
        return [item for item in items if select(owner, item) in (None, self._account_id)]


def _page_items(call: ListCall, page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = select(call.items, page)
    if found is None and not call.omitted_when_empty:
        # An answer without its list must not count as an empty list, which would delete every resource of the cell.
        raise BrokenAnswerError(f"{call.operation} returned no {call.items}")
    return found or ()
