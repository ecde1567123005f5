"""An agent takes what waits on its queues, runs it, and hands back what it cannot end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import SCRIPT, Served, is_gone


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "project").mkdir()
    found = Served(tmp_path / "project")
    yield found
    found.close()


def script(served: Served, *settings: str, queue: str = "default") -> str:
    """The id of a clone of a script's task that waits (row 8)."""
    served.write("script.py", SCRIPT)
    template = served.done("task", "create", "--script", "script.py", "--json").json["id"]
    given = [word for setting in settings for word in ("--set", setting)]
    return served.done("clone", template, *given, "--queue", queue).out.strip()


def test_an_agent_runs_what_waits_in_its_order_and_says_how_it_ended(served: Served) -> None:
    """Rows 8 and 26: a pipeline waits on `services`, a script on `default`; one agent runs both."""
    run, failing = served.submit("plain", "--number", "5"), served.submit("broken")
    task = script(served, "number=4")
    said = served.drain()
    assert served.done("get", run, "value").out.strip() == "25"
    assert served.done("get", task, "double").out.strip() == "8"
    assert served.status(failing) == "failed"
    took = [line for line in said.err.splitlines() if "took" in line or " in " in line]
    assert [line.split(maxsplit=1)[1].partition(" (")[0] for line in took] == [
        "took plain", "plain", "took broken", "broken", "took Clone of script", "Clone of script",
    ]  # fmt: skip
    assert "failed" in took[3]
    assert took[3].endswith("ValueError: nothing to train on")


def test_an_agent_that_waits_takes_what_comes(served: Served) -> None:
    agent = served.agent()
    run = served.submit("plain")
    agent.wait_for("completed", "err")
    assert served.status(run) == "completed"
    agent.process.send_signal(signal.SIGTERM)
    assert agent.end().code == 0


def test_with_once_an_agent_ends_after_one_task(served: Served) -> None:
    first, second = served.submit("plain"), served.submit("plain")
    served.done("agent", "--once")
    assert (served.status(first), served.status(second)) == ("completed", "queued")


def test_the_queue_that_is_named_first_is_served_first(served: Served) -> None:
    late = served.submit("plain", queue="low")
    early = served.submit("plain", queue="high")
    served.done("agent", "--queue", "high", "--queue", "low", "--once")
    assert (served.status(early), served.status(late)) == ("completed", "queued")


def test_an_agent_runs_as_many_tasks_at_once_as_it_has_slots(served: Served) -> None:
    """Row 66: two controllers, each of which waits for the other."""
    a, b = str(served.folder / "home" / "a"), str(served.folder / "home" / "b")
    one = served.submit("meeting", "--mine", a, "--other", b)
    two = served.submit("meeting", "--mine", b, "--other", a)
    served.drain("--slots", "2")
    assert (served.status(one), served.status(two)) == ("completed", "completed")


def test_the_same_task_runs_with_other_parameters_in_parallel(served: Served) -> None:
    """Row 69: three clones of one script, each with its own number."""
    served.write("script.py", SCRIPT)
    template = served.done("task", "create", "--script", "script.py", "--json").json["id"]
    clones = [
        served.done("clone", template, "--set", f"number={n}", "--queue", "default").out.strip()
        for n in (1, 2, 3)
    ]
    served.drain("--slots", "3")
    assert [served.done("get", one, "double").out.strip() for one in clones] == ["2", "4", "6"]


# agents that end


def test_a_run_whose_agent_is_killed_goes_on_in_another_and_keeps_what_completed(
    served: Served,
) -> None:
    gate = served.folder.parent / "gate"
    run = served.submit("holding", "--journal", str(served.journal), "--gate", str(gate))
    first = served.agent()
    worker = int(served.wait_for_line("hold ").split()[1])
    second = served.agent()
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert is_gone(worker)
    served.wait_for_line("hold ", count=2)
    gate.touch()
    second.wait_for("completed", "err")
    assert [line.split()[0] for line in served.lines()] == ["measure", "hold", "hold", "held"]
    assert [one["exit"] for one in served.show(run)["attempts"]] == ["lost", "completed"]
    assert served.done("get", run, "value").out.strip() == "9"


def test_a_script_whose_agent_is_killed_is_run_by_another_and_completes_once(
    served: Served,
) -> None:
    gate = served.folder.parent / "gate"
    task = script(served, f"journal={served.journal}", f"gate={gate}")
    first = served.agent()
    served.wait_for_line("script 1")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert served.status(task) == "queued"
    gate.touch()
    served.drain()
    assert served.lines() == ["script 1", "script 1"]
    assert [one["exit"] for one in served.show(task)["attempts"]] == ["lost", "completed"]


def test_what_loses_its_process_three_times_fails_with_all_exits(served: Served) -> None:
    run = served.submit("deadly", "--journal", str(served.journal))
    served.drain()
    assert served.lines() == ["deadly"] * 3
    shown = served.show(run)
    assert shown["status"] == "failed"
    assert "lost its process 3 times in a row" in shown["error"]
    assert shown["error"].count("signal 9 (SIGKILL)") == 3
    assert [one["exit"] for one in shown["attempts"]] == ["lost", "lost", "lost"]


def test_an_agent_that_is_told_to_end_finishes_what_runs_and_takes_nothing_more(
    served: Served,
) -> None:
    gate = served.folder.parent / "gate"
    run = served.submit("holding", "--journal", str(served.journal), "--gate", str(gate))
    other = served.submit("plain")
    agent = served.agent()
    served.wait_for_line("hold ")
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_for("ends when holding", "err")
    gate.touch()
    assert agent.end().code == 0
    assert (served.status(run), served.status(other)) == ("completed", "queued")


def test_an_agent_that_is_told_twice_stops_what_runs_and_hands_it_back(served: Served) -> None:
    gate = served.folder.parent / "gate"
    run = served.submit("holding", "--journal", str(served.journal), "--gate", str(gate))
    agent = served.agent()
    worker = int(served.wait_for_line("hold ").split()[1])
    agent.process.send_signal(signal.SIGINT)
    agent.wait_for("ends when", "err")
    agent.process.send_signal(signal.SIGINT)
    assert "waits on services again" in agent.end().err
    assert is_gone(worker)
    assert served.status(run) == "queued"
    gate.touch()
    served.drain()
    assert served.status(run) == "completed"
    assert [line.split()[0] for line in served.lines()] == ["measure", "hold", "hold", "held"]


def test_a_run_of_an_agent_is_stopped_as_any_other(served: Served) -> None:
    gate = served.folder.parent / "gate"
    run = served.submit("holding", "--journal", str(served.journal), "--gate", str(gate))
    agent = served.agent()
    worker = int(served.wait_for_line("hold ").split()[1])
    served.done("stop", run)
    agent.wait_for("stopped", "err")
    assert is_gone(worker)
    assert served.status(run) == "stopped"


def test_what_waits_can_be_stopped(served: Served) -> None:
    run = served.submit("plain")
    served.done("stop", run)
    served.drain()
    assert served.status(run) == "stopped"


def test_nothing_is_left_of_a_copy_whose_agent_was_killed(served: Served, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    run = served.submit("holding", "--journal", str(served.journal), "--gate", "/nowhere")
    first = served.agent()
    served.wait_for_line("hold ")
    assert len(list(copies.glob(f"pipekit-{run}-*"))) == 1
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    served.done("ls")
    assert list(copies.glob("pipekit-*")) == []


# what is said of queues and agents


def test_who_serves_a_queue_and_what_it_runs_is_listed(served: Served) -> None:
    gate = served.folder.parent / "gate"
    run = served.submit("holding", "--journal", str(served.journal), "--gate", str(gate))
    agent = served.agent("--queue", "services", "--slots", "2")
    served.wait_for_line("hold ")
    (found,) = served.done("agents", "--json").json
    assert (found["queues"], found["slots"], found["running"]) == (["services"], 2, [run])
    assert found["pid"] == agent.process.pid
    served.submit("plain", queue="other")
    queues = {one["name"]: one for one in served.done("queues", "--json").json}
    assert queues["services"]["agents"] == [found["id"]]
    assert (queues["other"]["waiting"], queues["other"]["agents"]) == (1, [])
    gate.touch()


def test_an_agent_that_has_ended_is_not_listed(served: Served) -> None:
    agent = served.agent()
    agent.process.send_signal(signal.SIGTERM)
    agent.process.wait()
    killed = served.agent()
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()
    assert served.done("agents", "--json").json == []


def test_nothing_is_taken_from_a_paused_queue(served: Served) -> None:
    run = served.submit("plain")
    served.done("queues", "pause", "services")
    served.drain()
    assert served.status(run) == "queued"
    served.done("queues", "resume", "services")
    served.drain()
    assert served.status(run) == "completed"


def test_a_queue_is_forgotten_when_nothing_waits_there(served: Served) -> None:
    run = served.submit("plain", queue="old")
    refused = served.pipekit("queues", "remove", "old")
    assert refused.code == 2
    assert "1 task waits there" in refused.err
    served.done("stop", run)
    served.done("queues", "pause", "old")
    served.done("queues", "remove", "old")
    assert served.done("queues", "--json").json == []
    unknown = served.pipekit("queues", "remove", "old")
    assert unknown.code == 2
    assert "There is no queue 'old'" in unknown.err


def test_who_puts_something_on_a_queue_that_nobody_serves_is_told(served: Served) -> None:
    """Row 51."""
    said = served.done("submit", "flow.py:plain", "--queue", "gpu")
    assert "no agent serves queue 'gpu'" in said.err
    assert "pipekit agent --queue gpu" in said.err
    served.agent("--queue", "gpu")
    said = served.done("submit", "flow.py:plain", "--queue", "gpu")
    assert "no agent" not in said.err


def test_an_agent_needs_no_home_that_is_there_already(served: Served) -> None:
    said = served.drain()
    assert said.code == 0
    assert os.path.isdir(served.home)
