"""How steps are spread over worker processes."""

from __future__ import annotations

import flows
import pytest

from pipekit.control.session import Session, session_for
from pipekit.executors.process import ProcessExecutor
from pipekit.settings import read_settings

pytestmark = pytest.mark.usefixtures("home")


def session() -> Session:
    return session_for(read_settings())


def pool(name: str) -> ProcessExecutor:
    found = session().executors.get(name)
    assert isinstance(found, ProcessExecutor)
    return found


def test_what_stands_behind_a_slow_step_goes_to_another_worker() -> None:
    ended = flows.one_slow_among_short.options(executor="process:2")(200, 20)
    slow = ended.pop(20)
    assert max(ended) < slow


def test_workers_are_kept_between_runs_of_a_session() -> None:
    for start in range(3):
        flows.arithmetic.options(executor="process:2")(start)
    assert pool("process:2").workers_started <= 2


def test_a_chain_needs_one_worker() -> None:
    flows.child.options(executor="process:2")(10)
    assert pool("process:2").workers_started == 1


def test_what_is_reused_starts_no_worker() -> None:
    flows.arithmetic.options(executor="process:2")(5)
    flows.arithmetic.options(executor="process:1")(5)
    assert pool("process:1").workers_started == 0
