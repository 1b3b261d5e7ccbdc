"""Lists the items of a resource type page by page.

Some types need a listing for each parent. ECS services, for example, are listed separately for each cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import Failure, error_code, error_message
from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellState
from cloudops_nb.scanner.calls.call_errors import BrokenResponseError, ScanStoppedError, failure_of
from cloudops_nb.scanner.reading.narrowed_calls import narrowed_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.task import ScanTask
    from cloudops_nb.specs.model import ListCall

    FanOut = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]

#: The number of parents whose items are listed before these items are yielded. The items of the first parents are thus
#: yielded while those of further parents are listed.
_PARENTS_PER_CHUNK = 50


@dataclass(frozen=True, slots=True)
class _ChildListing:
    """The items of one parent, the number of pages, and the failure if the listing ended early."""

    items: Sequence[Mapping[str, Any]]
    pages: int
    failure: Failure | None = None


class ResourceListing:
    """The listing of a task's items. An instance lists once; each attempt to read the task creates a new instance.

    Args:
        task: The task.
        calls: The paced calls into the task's account.
        fan_out: Maps a function over a sequence, in parallel where threads are free.
    """

    def __init__(self, task: ScanTask, calls: AwsCalls, fan_out: FanOut) -> None:
        self._task = task
        self._spec = task.spec
        self._region = task.call_region
        self._account_id = task.account.account_id
        self._calls = calls
        self._fan_out = fan_out
        self._parent_count = 0
        self._parent_failures: list[Failure] = []
        #: The number of pages of items so far; pages of parents do not count.
        self.pages = 0

    @property
    def failure(self) -> Failure | None:
        """Why items of some parents are missing, ``None`` if the items of every parent were listed."""
        if not self._parent_failures:
            return None
        # A transient failure takes precedence over a permanent one, because the next scan may find more resources.
        shown = next((each for each in self._parent_failures if each.transient), self._parent_failures[0])
        into = self._spec.parent.into if self._spec.parent else ""
        what = f"{len(self._parent_failures)} of {self._parent_count} parents ({into}) could not be listed"
        return Failure(shown.state, f"{what}: {shown.detail}")

    def chunks(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the items in chunks as they arrive, without items that belong to other accounts.

        If the items of one parent cannot be listed, only these items are missing, and :attr:`failure` says why. If the
        parents cannot be listed, or the items of a type without parents, the error of
        :meth:`~cloudops_nb.scanner.calls.aws_calls.AwsCalls.pages` is raised. If the credentials expired, the error is
        always raised, because the whole task must then be repeated.

        Raises:
            BrokenResponseError: A response lacks the list of items.
            NotOfferedError: The service has no endpoint in the region.
        """
        self._calls.check_offered(self._spec.called, self._region)
        parent = self._spec.parent
        if parent is None:
            named = self._named_items()
            for page in self._item_pages(self._spec.list, {}) if named is None else [named]:
                self.pages += 1
                yield self._wanted_items(page)
            return
        for page in self._item_pages(parent.list, {}):
            self._parent_count += len(page)
            for start in range(0, len(page), _PARENTS_PER_CHUNK):
                parents = page[start : start + _PARENTS_PER_CHUNK]
                listings: Sequence[_ChildListing] = self._fan_out(self._child_listing, parents)
                self.pages += sum(each.pages for each in listings)
                self._parent_failures += [each.failure for each in listings if each.failure]
                yield self._wanted_items([item for each in listings for item in each.items])

    def _named_items(self) -> Sequence[Mapping[str, Any]] | None:
        """Return the items of a task's resources, ``None`` if only the whole list tells them.

        That is so too if a resource is missing: AWS answers that with many errors, and only the whole list proves it.
        """
        wanted, call = self._task.identifiers, self._spec.list
        if not wanted:
            return None
        types = self._calls.parameter_types(self._spec.called, self._region, call.operation)
        # An operation may refuse a page size together with identifiers.
        unpaged = call.model_copy(update={"page_size": None})
        items: list[Mapping[str, Any]] = []
        try:
            for parameters in narrowed_parameters(self._spec, types, wanted):
                for page in self._item_pages(unpaged, parameters):
                    items += page
        except (ClientError, BrokenResponseError):
            return None
        return items if {select(self._spec.identifier, item) for item in items} >= wanted else None

    def _child_listing(self, parent_item: Mapping[str, Any]) -> _ChildListing:
        """List one parent's items; if the parent was deleted after it was listed, the result has no items."""
        parent = self._spec.parent
        assert parent is not None  # noqa: S101 - a parent's item exists only where the spec has a parent
        items: list[Mapping[str, Any]] = []
        pages = 0
        try:
            of_parent = {name: select(selector, parent_item) for name, selector in parent.parameters.items()}
            for page in self._item_pages(self._spec.list, of_parent):
                pages += 1
                items += [{**item, parent.into: parent_item} for item in page]
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

    def _item_pages(self, call: ListCall, further: Mapping[str, Any]) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the items of every page of a list call, made with its own parameters and the ``further`` ones.

        If the service is not in use in the region, no page is yielded.
        """
        has_page = False
        rules = call.pages.as_botocore(call.items) if call.pages else None
        parameters = {**call.parameters, **further}
        try:
            for page in self._calls.pages(
                self._spec.called, self._region, call.operation, parameters, call.page_size, rules=rules
            ):
                has_page = True
                yield _page_items(call, page)
        # A service that is not enabled may respond with an error. After a first page, the same error is a failure.
        except ClientError as error:
            if has_page or not call.tells_absence(error_code(error), error_message(error)):
                raise

    def _wanted_items(self, items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the items of the account, and of the task's resources if it names some.

        An item that gets its identifier from a later call stays.
        """
        owner, wanted = self._spec.owner, self._task.identifiers
        if owner is not None:
            items = [item for item in items if select(owner, item) in (None, self._account_id)]
        if wanted:
            items = [item for item in items if select(self._spec.identifier, item) in {None, *wanted}]
        return items


def _page_items(call: ListCall, page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    items = select(call.items, page)
    if items is None and not call.omitted_when_empty:
        # A missing list must not count as an empty one, because that would delete every stored resource of the cell.
        raise BrokenResponseError(f"{call.operation} returned no {call.items}")
    return items or ()
