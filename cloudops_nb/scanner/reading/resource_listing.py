"""Reads what a list call names, page by page, and once for each parent where a type's resources are listed so."""

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

#: Parents whose items are read before they are handed on, so that rows flow while many parents are worked through.
_PARENTS = 50


@dataclass(frozen=True, slots=True)
class _ChildListing:
    """What the list call named for one parent, in how many pages, and why it broke off, if it did."""

    items: Sequence[Mapping[str, Any]]
    pages: int
    failure: Failure | None = None


class ResourceListing:
    """One listing with all its pages; made anew for each attempt, and read once.

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
        #: Pages of the list call itself, those of parents not counted.
        self.pages = 0

    @property
    def failure(self) -> Failure | None:
        """Why some parents' resources are missing, ``None`` if every parent was listed to its end."""
        if not self._unlisted:
            return None
        # A passing failure says more about the next scan than a lasting one.
        worst = next((each for each in self._unlisted if each.transient), self._unlisted[0])
        into = self._spec.parent.into if self._spec.parent else ""
        what = f"{len(self._unlisted)} of {self._parents} parents ({into}) not listed"
        return Failure(worst.state, f"{what}: {worst.detail}")

    def chunks(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the items as they arrive, those of other accounts left out.

        A parent that fails costs its own items only, and is told by :attr:`failure`; what fails otherwise is raised as
        :meth:`~cloudops_nb.scanner.calls.aws_calls.AwsCalls.pages` does, and expired credentials are always raised.

        Raises:
            BrokenAnswerError: An answer came without its list.
            NotOfferedError: The service is not there to be asked.
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
        """List one parent's resources; a parent deleted meanwhile has none."""
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
        """Yield the list of every page of a call; one whose service is not in use here has none."""
        begun = False
        rules = call.pages.as_botocore(call.items) if call.pages else None
        parameters = {**call.parameters, **given}
        try:
            for page in self._calls.pages(
                self._spec.called, self._region, call.operation, parameters, call.page_size, rules=rules
            ):
                begun = True
                yield _page_items(call, page)
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
        # An answer without its list is a broken answer; taken for an empty one, it would delete everything.
        raise BrokenAnswerError(f"{call.operation} answered without {call.items}")
    return found or ()
