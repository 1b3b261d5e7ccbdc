"""The card in a real kernel, with what a front end sends to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 120
#: Makes a card's widgets, keeps what is decided, and says by which comms the front end reaches two of them.
CARD = """
import json
import time
from pathlib import Path
from cloudops_nb.notebook.cards.card_view import CardView
from tests.sample_plans import stop_database

decided = []
view = CardView(stop_database(), "", approve=print, reject=decided.append, phrase_fits=bool)
view.keep_order_once_drawn()
print(json.dumps({"reason": view._reason.comm.comm_id, "reject": view._reject.comm.comm_id}))
"""


class FrontEnd:
    """A front end that sends what widgets say to a thread of the kernel that runs no cells, as JupyterLab does."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        request = client.session.msg("create_subshell_request")
        client.control_channel.send(request)
        self._subshell = client.get_control_msg(timeout=DEADLINE_SECONDS)["content"]["subshell_id"]

    def say(self, comm: str, **data: Any) -> str:
        """Send a widget's message; return its id."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = self._subshell
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def await_state(self, state: str, request: str) -> str:
        """Wait until the kernel is in a state for a request; return what was printed until then."""
        printed = ""
        while True:
            message = self.client.get_iopub_msg(timeout=DEADLINE_SECONDS)
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
            said = message["content"].get("execution_state")
            if (said, message["parent_header"].get("msg_id")) == (state, request):
                return printed

    def run(self, cell: str) -> str:
        """Run a cell; return what it prints."""
        return self.await_state("idle", self.client.execute(cell))


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FrontEnd]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    manager, client = start_new_kernel(startup_timeout=DEADLINE_SECONDS)
    yield FrontEnd(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def test_a_click_does_not_overtake_the_reason_while_a_cell_runs(front_end: FrontEnd, tmp_path: Path) -> None:
    comms = json.loads(front_end.run(CARD))
    drawn = front_end.say(comms["reject"], method="update", state={"_view_count": 1}, buffer_paths=[])
    front_end.await_state("idle", drawn)
    go_on = tmp_path / "go-on"
    cell = front_end.client.execute(f"while not Path({str(go_on)!r}).exists():\n    time.sleep(0.05)")
    front_end.await_state("busy", cell)

    front_end.say(comms["reason"], method="update", state={"value": "it is in use"}, buffer_paths=[])
    click = front_end.say(comms["reject"], method="custom", content={"event": "click"})
    front_end.await_state("idle", click)
    go_on.touch()
    front_end.await_state("idle", cell)

    assert front_end.run("print(json.dumps(decided))") == '["it is in use"]\n'
