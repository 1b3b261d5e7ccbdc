"""Runs plans, kills them at every point, and has what is left compared with what must be left."""

from __future__ import annotations

import copy
import signal
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.journal_kinds import EXECUTION_ENDED, STEP_INTENT, STEP_RESULT
from tests.plan_crash import worker
from tests.plan_crash.points import CALLED, SEALED, WRITING, WRITTEN, Moment, Point
from tests.plan_crash.scenarios import SLEEP, scenarios
from tests.plan_crash.verdict import Told, faults
from tests.plan_crash.worker import Begun, Ended, Seen, Task

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext
    from pathlib import Path

    from tests.plan_crash.aws import Aws
    from tests.plan_crash.scenarios import Scenario

#: A worker that says nothing for this long hangs, in seconds.
_SILENCE = 120.0
#: A point that a plan meets again and again, such as a wait's look, is killed at this often.
_MOST_AT_A_POINT = 3
#: How long after a point a process is killed at random, at the latest, in seconds.
_LATEST = 0.03


@dataclass
class Outcome:
    """What came of all plans.

    Attributes:
        plans: Plans by kind.
        kills: Kills by phase.
        met: Kills by what was under way.
        unknown: Calls that were left unknown: how many AWS had received, how many not.
        unmet: Kills that came too late: the run was over before a random moment, or a wait looked less often.
        faults: What was found to be wrong.
    """

    plans: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unmet: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Share:
    """How much is killed: one of so many points, and how often at random and in recovery for each plan."""

    every: int = 1
    at_random: int = 6
    in_recovery: int = 3


class Driver:
    """Kills plans in folders of their own, and stops a plan at its first fault."""

    def __init__(self, folder: Path, aws: Aws, chance: random.Random, share: Share = Share()) -> None:
        self._folder = folder
        self._aws = aws
        self._chance = chance
        self._share = share
        self._processes = get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.plan_crash.nursery"])
        self.outcome = Outcome()

    def run(self, plans: int, told: Callable[[str], None] = lambda _: None) -> Outcome:
        """Kill so many plans; ``told`` gets a line for each."""
        for number, scenario in enumerate(scenarios(self._aws, plans, self._chance)):
            self.outcome.plans[scenario.kind] += 1
            before = self.outcome.kills.total()
            _Plan(self._folder / str(number), scenario, self._aws, self._processes, self.outcome).kill(
                self._chance, self._share
            )
            counts = f"{self.outcome.kills.total() - before} kills, {len(self.outcome.faults)} faults so far"
            told(f"plan {number + 1}, {scenario.kind}: {counts}")
        return self.outcome


class _Plan:
    """One scenario on a store of its own."""

    def __init__(
        self, folder: Path, scenario: Scenario, aws: Aws, processes: ForkServerContext, outcome: Outcome
    ) -> None:
        self._folder = folder
        self._scenario = scenario
        self._aws = aws
        self._processes = processes
        self._outcome = outcome
        self._earlier = ""
        self._told = Told()
        self._last = ""
        #: How the earlier plan ended if it was not killed.
        self._end = ""
        self._sound = True

    def kill(self, chance: random.Random, share: Share) -> None:
        """Run undisturbed, then be killed at each point, at random and in recovery, and run undisturbed again."""
        moments = self._undisturbed()
        if not self._sound:
            return
        points = list(_points(moments))
        for point in points[chance.randrange(share.every) :: share.every]:
            self._killed(point, point.phase)
        for _ in range(share.at_random):
            point = chance.choice(points)
            late = Point(point.phase, point.what, point.count, chance.uniform(0.0001, _LATEST))
            self._killed(late, "at random")
        if self._scenario.before_sleep:
            self._killed(Point(SEALED, self._scenario.before_sleep, delay=SLEEP / 2), "in a sleep")
        changing = {moment.what for moment in moments if moment.phase == CALLED and moment.kind}
        for _ in range(share.in_recovery):
            self._killed(Point(CALLED, chance.choice(sorted(changing))), CALLED)
            self._killed_in_recovery(chance)
        self._undisturbed()
        self._round(Task(self._folder, self._scenario, self._earlier))

    def _undisturbed(self) -> Sequence[Moment]:
        """Run to the end, which must be the scenario's, with each of its changes once."""
        moments, ended = self._round(Task(self._folder, self._scenario, self._earlier))
        if not self._sound:
            return moments
        found = ended.status if ended else "killed"
        if found != self._scenario.ends:
            self._fault(f"an undisturbed run ended {found}: {ended}")
        received, wanted = self._aws.changes(), Counter(self._scenario.changes.values())
        if received != wanted:
            self._fault(f"an undisturbed run made {received}, not {wanted}")
        return moments

    def _killed(self, point: Point, how: str) -> None:
        _, ended = self._round(Task(self._folder, self._scenario, self._earlier, in_run=point))
        if not self._sound:
            return
        self._last = f"killed {point}"
        if ended:
            self._outcome.unmet["random" if point.delay else "looks of waits"] += 1
            if not point.delay and point.count == 1:
                self._fault("the run did not come to the point")
            return
        self._outcome.kills[how] += 1
        self._outcome.met[point.what.split()[0]] += 1

    def _killed_in_recovery(self, chance: random.Random) -> None:
        """Kill the process that recovers at one of its records; the next one recovers again."""
        begun, ended = (
            {(body["step"], body["target"]) for body in self._told.written(kind)} for kind in (STEP_INTENT, STEP_RESULT)
        )
        results = [" ".join(filter(None, (STEP_RESULT, *place))) for place in sorted(begun - ended)]
        point = Point(chance.choice((WRITING, WRITTEN, SEALED)), chance.choice([EXECUTION_ENDED, *results]))
        self._round(Task(self._folder, self._scenario, self._earlier, in_recovery=point, in_run=None))
        self._last += f", then in the recovery {point}"

    def _round(self, task: Task) -> tuple[Sequence[Moment], Ended | None]:
        """Start a worker and follow it; returns the moments of its run, and how it ended if it was not killed."""
        if not self._sound:
            return [], None
        if not task.earlier_plan:
            self._aws.put_back(self._scenario.resources)
        here, there = self._processes.Pipe()
        process = self._processes.Process(target=worker.main, args=(task, there))
        process.start()
        there.close()
        moments: list[Moment] = []
        ended, looked = None, False
        with here:
            while (line := _next(here)) is not None:
                match line:
                    case Moment():
                        moments.append(line)
                    case Seen():
                        before = copy.deepcopy(self._told)
                        self._told.take(moments, exact=False)
                        moments, looked = [], True
                        self._check(before, line)
                        if not self._sound:
                            process.kill()
                            break
                        self._aws.put_back(self._scenario.resources)
                        here.send("go on")
                    case Begun():
                        self._told = Told() if line.plan_id != self._earlier else self._told
                        self._earlier = line.plan_id
                    case Ended():
                        ended = line
        process.join()
        self._died(process.exitcode, ended, killed=task.in_run is not None or task.in_recovery is not None)
        point = task.in_run if looked or not task.in_recovery else task.in_recovery
        self._end = ended.status if ended else ""
        self._told.take(moments, exact=ended is None and point is not None and not point.delay)
        if task.in_recovery and not looked:
            self._outcome.kills["in recovery"] += 1
        return moments, ended

    def _check(self, before: Told, seen: Seen) -> None:
        received = self._aws.changes()
        if self._end not in {"", seen.status}:
            self._fault(f"the run ended {self._end}, and the history says {seen.status}")
        for problem in faults(before, self._told, seen, self._scenario.changes, received):
            self._fault(problem)
        for unit, path, status, _ in seen.steps:
            if status == "outcome_unknown":
                done = received[self._scenario.changes.get((unit, path), "")]
                self._outcome.unknown["received by AWS" if done else "not received"] += 1

    def _died(self, status: int | None, ended: Ended | None, *, killed: bool) -> None:
        if ended and ended.broke:
            self._fault(f"the worker broke: {ended.broke}")
        elif self._sound and status not in ((0, -signal.SIGKILL) if killed else (0,)):
            self._fault(f"the worker ended with status {status}")

    def _fault(self, problem: str) -> None:
        self._sound = False
        self._outcome.faults.append(f"{self._scenario.kind}, {self._last or 'undisturbed'}: {problem}")


def _points(moments: Sequence[Moment]) -> Iterator[Point]:
    met: Counter[tuple[str, str]] = Counter()
    for moment in moments:
        name = moment.phase, moment.what
        met[name] += 1
        if met[name] <= _MOST_AT_A_POINT:
            yield Point(*name, met[name])


def _next(ear: Connection) -> Any:
    """Return what the worker says next, ``None`` when it is dead."""
    if not ear.poll(_SILENCE):
        raise TimeoutError("the worker hangs")
    try:
        return ear.recv()
    except (EOFError, OSError):
        return None
