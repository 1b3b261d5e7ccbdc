"""Sums up the calls that a scan would make: how many at least, where, and which rate limit takes the longest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.scanner.calls.rate_limiter import rate_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.scanner.task import PlannedCall

#: How often a call is made that does not depend on what the scan finds, apart from further pages.
_CERTAIN = ("once", "once per page", "once per hour")


def plan_summary(calls: Sequence[PlannedCall]) -> str:
    """Return sentences about the calls that a scan would make; only AWS knows the number of pages and resources."""
    certain = [each for each in calls if each.times in _CERTAIN]
    if not certain:
        return "No call would be made."
    accounts, regions = {each.account for each in certain}, {each.region for each in certain} - {GLOBAL}
    buckets: Counter[tuple[str, str, str, str]] = Counter()
    rates: dict[tuple[str, str, str, str], float] = {}
    for each in certain:
        limit = rate_limit(each.service, each.operation)
        key = (each.account, each.region, each.service, limit.group)
        buckets[key] += 1
        rates[key] = limit.per_second
    slowest = max(buckets, key=lambda key: buckets[key] / rates[key])
    account, region, service, _ = slowest
    more = len(calls) - len(certain)
    others = f", and {more} kinds of call for each resource or batch that is found" if more else ""
    return (
        f"At least {len(certain):,} calls in {len(accounts)} accounts and {len(regions)} regions{others}. "
        f"The slowest limit: {buckets[slowest]} calls of {service} in {account} {region}, "
        f"{rates[slowest]:g} a second."
    )
