"""Sweeps over pipelines: feature rows 62, 69, 75, and complaint 37."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
import sweep_flows as flows
from workspace import Workspace

from pipekit import Task, component, get, grid, integers, log_uniform, pipeline, tune, uniform
from pipekit.errors import NotFound, PipekitError, UsageError

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def journal(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal"
    path.touch()
    monkeypatch.setenv("SWEEP_JOURNAL", str(path))
    return path


def random(seed: int = 1) -> object:
    return optuna.samplers.RandomSampler(seed=seed)


# tune


def test_the_best_of_a_sweep_over_a_whole_pipeline_is_reported() -> None:
    """Feature row 75: a sweep over a pipeline, whose steps go to workers; the best is reported."""
    sweep = tune(
        flows.train, {"rate": (0.0, 1.0), "depth": [1, 3]}, direction="minimize", trials=6,
        parallel=2, sampler=random(),
    )  # fmt: skip
    assert len(sweep) == 6
    best = min(sweep, key=lambda trial: trial.value or 0.0)
    assert (sweep.best, sweep.best_value) == (best, best.value)
    assert sweep.best_parameters == best.parameters
    assert best.task.value == best.value
    assert best.task.parameters | best.parameters == best.task.parameters
    assert sweep.task.type == "sweep"
    assert [step.name for step in sweep.task.steps][:2] == ["train", "train-2"]
    assert {step.parent for step in sweep.task.steps} == {sweep.task.id}


def test_what_trials_have_in_common_is_computed_once(journal: Path) -> None:
    """Complaint 37: a sweep caches the shared prefix, also while its trials go on at once."""
    tune(flows.train, {"rate": (0.0, 1.0)}, direction="minimize", trials=6, parallel=6)
    lines = journal.read_text().splitlines()
    assert lines.count("load") == 1
    assert sum(line.startswith("fit") for line in lines) == 6


def test_the_same_task_runs_with_other_parameters_at_once(tmp_path: Path, journal: Path) -> None:
    """Feature row 69: N clones, N sets of parameters, in parallel."""
    gate = tmp_path / "gate"

    def open_when_all_run() -> None:
        while journal.read_text().count("held") < 2:
            time.sleep(0.01)
        gate.touch()

    thread = threading.Thread(target=open_when_all_run)
    thread.start()
    sweep = grid(flows.holding, {"rate": [2.0, 3.0]}, arguments={"gate": str(gate)}, parallel=2)
    thread.join()
    assert [trial.status for trial in sweep] == ["completed", "completed"]


def test_a_pipeline_is_repeated_until_it_is_good_enough() -> None:
    """Feature row 62: logic of one's own around sweeps: rerun while performance is inadequate."""

    @pipeline
    def improve(wanted: float) -> float:
        best = 1.0
        for width in (1.0, 0.1, 0.001):
            if best <= wanted:
                break
            around = {"rate": [0.3 - width, 0.3 + width]}
            sweep = grid(flows.train, around, direction="minimize", arguments={"depth": 3})
            best = sweep.best_value
        return best

    run = improve.run(0.02)
    assert run.status == "completed", run.error
    assert 0 < run.value <= 0.02
    assert [step.type for step in run.steps]
    assert len(run.steps) == 2


@pytest.mark.parametrize(
    "sampler",
    ["TPESampler", "RandomSampler", "QMCSampler", "BruteForceSampler"],
)
def test_any_sampler_can_be_passed(sampler: str) -> None:
    """Complaint 37: samplers and pruners of Optuna's own are taken as they are."""
    made = getattr(optuna.samplers, sampler)(seed=3)
    sweep = tune(flows.learning, {"rate": [1, 2, 3]}, direction="maximize", trials=3, sampler=made)
    assert all(trial.status == "completed" for trial in sweep)


def test_the_parameters_that_were_tried_are_those_that_the_trial_had() -> None:
    """Complaint 37: nothing is overwritten between the sampler and the trial."""
    space = {
        "rate": log_uniform(0.001, 1), "depth": integers(1, 9, step=2),
        "count": optuna.distributions.IntDistribution(5, 6),
    }  # fmt: skip
    for trial in tune(flows.train, space, direction="minimize", trials=5):
        given = trial.task.parameters
        assert {name: given[name] for name in trial.parameters} == trial.parameters
        assert 0.001 <= given["rate"] <= 1
        assert given["depth"] in (1, 3, 5, 7, 9)
        assert given["count"] in (5, 6)


def test_choices_may_be_of_any_type() -> None:
    @component
    def total(numbers: list[int], where: Path) -> int:
        return sum(numbers)

    @pipeline
    def flow(numbers: list[int], where: Path) -> int:
        return total(numbers, where)

    sweep = tune(
        flow, {"numbers": [[1], [2, 3], [4]], "where": [Path("a"), Path("b")]},
        direction="maximize", trials=12, sampler=optuna.samplers.BruteForceSampler(seed=1),
    )  # fmt: skip
    assert len(sweep) == 6  # there are no more
    assert (sweep.best_value, sweep.best_parameters["numbers"]) == (5, [2, 3])


def test_whole_numbers_of_a_float_parameter_are_a_range_of_floats() -> None:
    sweep = tune(flows.train, {"rate": (0, 1)}, direction="minimize", trials=2, sampler=random())
    assert all(0 < trial.parameters["rate"] < 1 for trial in sweep)


def test_a_component_can_be_swept_over() -> None:
    sweep = tune(flows.fragile, {"rate": [0.1, 0.4]}, direction="maximize", trials=4,
                 sampler=optuna.samplers.BruteForceSampler())  # fmt: skip
    assert sweep.best_parameters == {"rate": 0.4}
    assert sweep.best.task.kind == "step"


# what a trial is judged by


def test_a_metric_of_the_run_or_of_a_step_is_the_objective() -> None:
    by_run = grid(flows.train, {"depth": [1, 3]}, objective="error", direction="minimize")
    assert by_run.best_parameters == {"depth": 3}
    assert by_run.best_value == by_run.best.task.metrics["error"]
    assert by_run.task.metrics.history("error")[0].step in (0, 1)
    by_step = grid(flows.learning, {"rate": [1, 2]}, objective="learn/loss", direction="maximize")
    assert by_step.best_value == 2.0


def test_a_metric_of_several_steps_must_be_told_apart() -> None:
    with pytest.raises(PipekitError, match=r"logged by 2 steps.*'learn-2/loss', 'learn/loss'"):
        grid(flows.two_that_log, {"rate": [1]}, objective="loss", direction="maximize")
    sweep = grid(flows.two_that_log, {"rate": [1]}, objective="learn-2/loss", direction="maximize")
    assert sweep.best_value == 2.0


def test_a_metric_that_nobody_logged_is_told_with_those_that_were() -> None:
    with pytest.raises(PipekitError, match=r"no metric 'los'.*'loss'"):
        grid(flows.learning, {"rate": [1]}, objective="los", direction="maximize")


def test_a_function_of_the_task_is_an_objective() -> None:
    sweep = grid(
        flows.train, {"depth": [1, 2, 3]}, direction="maximize",
        objective=lambda task: -task["fit"].value if task.status == "completed" else 0.0,
    )  # fmt: skip
    assert sweep.best_parameters == {"depth": 3}


def test_nan_is_no_value() -> None:
    @pipeline
    def flow(rate: float) -> float:
        return rate

    sweep = grid(flow, {"rate": [float("nan"), 1.0]}, direction="maximize")
    assert [trial.status for trial in sweep] == ["failed", "completed"]
    assert "nan" in sweep.trials[0].error


# failing, pruning


def test_a_failed_trial_does_not_end_the_sweep() -> None:
    sweep = tune(
        flows.fragile_train, {"rate": [0.1, 0.4, 0.9]}, direction="maximize", trials=3,
        sampler=optuna.samplers.BruteForceSampler(),
    )  # fmt: skip
    assert sweep.task.status == "completed"
    statuses = {trial.parameters["rate"]: trial.status for trial in sweep}
    assert statuses == {0.1: "completed", 0.4: "completed", 0.9: "failed"}
    failed = next(trial for trial in sweep if trial.status == "failed")
    assert "0.9 is too much" in failed.error
    assert failed.task.status == "failed"
    assert sweep.best_parameters == {"rate": 0.4}
    assert "1 failed" in sweep.summary


def test_a_sweep_none_of_whose_trials_completes_fails_and_says_why() -> None:
    with pytest.raises(PipekitError, match=r"None of the 2 trials .*0\.9 is too much"):
        grid(flows.fragile_train, {"rate": [0.9, 0.9]}, direction="maximize")
    assert Task.get_tasks(task_name="fragile_train-sweep")[0].status == "failed"


class PruneBad(optuna.pruners.BasePruner):  # type: ignore[misc, name-defined]
    """A pruner of the user's own."""

    def prune(self, study: object, trial: object) -> bool:
        return trial.params["rate"] > 10 and trial.last_step >= 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("flow", ["learning", "logging_itself", "learn"])
def test_a_trial_that_promises_nothing_is_pruned_by_what_it_logs(tmp_path: Path, flow: str) -> None:
    """Complaint 37: any pruner can be passed; it goes by `log_metric` in steps and pipelines."""
    sweep = tune(
        getattr(flows, flow), {"rate": [1, 100]}, direction="minimize", objective="loss",
        arguments={"hold": str(tmp_path / "never")}, pruner=PruneBad(), trials=2, parallel=2,
        sampler=optuna.samplers.BruteForceSampler(),
    )  # fmt: skip
    found = {trial.parameters["rate"]: trial for trial in sweep}
    assert found[1].status == "completed"
    assert found[100].status == "pruned"
    assert found[100].task.status == "stopped"
    assert "pruned by PruneBad at loss=100" in (found[100].task.error or "")
    assert sweep.best_parameters == {"rate": 1}


def test_a_pruner_of_optuna_s_prunes() -> None:
    sweep = tune(
        flows.learning, {"rate": [1, 5, 20]}, direction="minimize", objective="loss", trials=3,
        arguments={"hold": "/nonexistent/never"}, pruner=optuna.pruners.ThresholdPruner(upper=10),
        sampler=optuna.samplers.BruteForceSampler(seed=0),
    )  # fmt: skip
    assert sorted((t.parameters["rate"], t.status) for t in sweep) == [
        (1, "completed"), (5, "completed"), (20, "pruned"),
    ]  # fmt: skip


def test_a_pruner_that_fails_is_told_and_the_sweep_goes_on(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(optuna.pruners.BasePruner):  # type: ignore[misc, name-defined]
        def prune(self, study: object, trial: object) -> bool:
            raise ZeroDivisionError("oh")

    from pipekit.control.session import close_sessions

    close_sessions()
    monkeypatch.setenv("PIPEKIT_PROGRESS", "lines")
    sweep = tune(
        flows.learning, {"rate": [1, 2]}, direction="minimize", objective="loss", trials=2,
        pruner=Broken(),
    )  # fmt: skip
    assert len(sweep) == 2
    assert "The pruner failed (ZeroDivisionError: oh)" in capfd.readouterr().err


# grid


def test_a_grid_needs_no_optuna_and_no_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    sweep = grid(flows.train, {"rate": [0.1, 0.3], "depth": (1, 3)})
    assert [tuple(t.parameters.values()) for t in sweep] == [
        (0.1, 1), (0.1, 2), (0.1, 3), (0.3, 1), (0.3, 2), (0.3, 3),
    ]  # fmt: skip
    assert sweep.trials[-1].value == pytest.approx(0.0)
    with pytest.raises(NotFound, match="direction="):
        _ = sweep.best
    with pytest.raises(UsageError, match=r"pip install 'pipekit\[tune\]'"):
        tune(flows.train, {"rate": (0.0, 1.0)}, direction="minimize")


def test_a_grid_of_values_that_are_no_numbers_is_a_table_of_runs() -> None:
    @pipeline
    def flow(name: str) -> dict[str, str]:
        return {"name": name}

    sweep = grid(flow, {"name": ["a", "b"]})
    assert [trial.task.value for trial in sweep] == [{"name": "a"}, {"name": "b"}]


def test_a_frame_has_a_row_for_each_trial() -> None:
    frame = grid(flows.train, {"depth": [1, 3]}, direction="minimize").to_frame()
    assert list(frame["depth"]) == [1, 3]
    assert list(frame["status"]) == ["completed", "completed"]


# wrong use


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"space": {"rte": (0.0, 1.0)}}, "no parameter 'rte'.*did you mean 'rate'"),
        ({"space": {}}, "what it may be"),
        ({"direction": "up"}, "'minimize' or 'maximize'"),
        ({"trials": 0}, "trials=0"),
        ({"parallel": 1.5}, "parallel=1.5"),
        ({"arguments": {"rate": 1.0}}, "'rate' is in space= and in arguments="),
        ({"space": {"rate": ["a"]}}, "is a str, wanted float"),
        ({"objective": 3}, "objective=3"),
        ({"pruner": object()}, "objective= is to be their name"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(
    given: dict[str, object], said: str
) -> None:
    arguments = {"space": {"rate": (0.0, 1.0)}, "direction": "minimize", **given}
    with pytest.raises(UsageError, match=said):
        tune(flows.train, **arguments)  # type: ignore[arg-type]
    assert Task.get_tasks() == []


def test_a_plain_function_is_no_target() -> None:
    with pytest.raises(UsageError, match="a pipeline or a component"):
        grid(print, {"x": [1]})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="gate"):
        grid(flows.holding, {"rate": [1.0]})


def test_inside_a_pipeline_a_sweep_is_a_step() -> None:
    @pipeline
    def outer() -> float:
        sweep = tune(flows.train, {"rate": uniform(0, 1)}, direction="minimize", trials=2)
        return get(sweep.best_value)

    run = outer.run()
    assert run.status == "completed", run.error
    (step,) = run.steps
    assert (step.name, len(step.steps)) == ("train-sweep", 2)


def test_the_database_of_trials_is_private_and_can_be_read_by_optuna(home: Path) -> None:
    sweep = tune(flows.learning, {"rate": [1, 2]}, direction="maximize", trials=2)
    assert stat.S_IMODE((home / "optuna.db").stat().st_mode) == 0o600
    (name,) = optuna.get_all_study_names(f"sqlite:///{home}/optuna.db")
    assert sweep.task.id in name
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{home}/optuna.db")
    assert [trial.user_attrs["task"] for trial in study.trials] == [t.task.id for t in sweep]


# the command line, and what is interrupted

FLOW = """
    import os, time
    from pathlib import Path
    from pipekit import component, pipeline

    @component(cache=False)
    def work(rate: float) -> float:
        with open("journal", "a") as file:
            file.write(f"{rate}\\n")
        while rate > 2 and not Path("gate").exists():
            time.sleep(0.01)
        return rate

    @pipeline
    def flow(rate: float, seed: int = 0) -> float:
        return work(rate)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "space")
    made.folder.mkdir()
    made.write("flow.py", FLOW)
    return made


def test_the_command_prints_one_table_best_first(workspace: Workspace) -> None:
    said = workspace.pipekit(
        "tune", "flow.py:flow", "--space", "rate=0.1:1.0:log", "--trials", "4", "--minimize",
        "--seed", "3", "--sampler", "random", "--sampler-seed", "1",
    )  # fmt: skip
    assert said.code == 0, said.err
    header, *rows = said.out.splitlines()
    assert header.split() == ["TRIAL", "ID", "VALUE", "RATE", "STATUS"]
    values = [float(row.split()[2]) for row in rows]
    assert len(values) == 4
    assert values == sorted(values)
    assert f"Best of 4 trials: {values[0]:.6g} with rate=" in said.err


def test_the_command_prints_json(workspace: Workspace) -> None:
    told = workspace.pipekit(
        "tune", "flow.py:flow", "--space", "rate=0.5,1.5", "--grid", "--maximize", "--json"
    ).json
    assert told["best"]["parameters"] == {"rate": 1.5}
    assert [trial["value"] for trial in told["trials"]] == [0.5, 1.5]
    shown = workspace.pipekit("show", told["id"], "--json").json
    assert [step["id"] for step in shown["steps"]] == [trial["id"] for trial in told["trials"]]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([], "what to try"),
        (["--space", "rate=0.1:1"], "--minimize or --maximize"),
        (["--space", "rte=0.1:1", "--minimize"], "did you mean 'rate'"),
        (["--space", "rate=a,b", "--grid"], "cannot be 'a'"),
        (["--space", "rate=1,2", "--grid", "--trials", "3"], "--trials does not go with --grid"),
        (["--space", "rate=0:1", "--minimize", "--sampler", "x"], "--sampler x is none of"),
        (["--space", "rate=0:1", "--minimize", "--until", "work"], "takes none of"),
        (["--space", "rate=0:1", "--minimize", "--nope", "1"], "--nope is no parameter"),
    ],
)
def test_the_command_says_what_is_wrong(workspace: Workspace, typed: list[str], said: str) -> None:
    told = workspace.pipekit("tune", "flow.py:flow", *typed)
    assert told.code == 2
    assert said in told.err


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_sweep_goes_on_where_it_was_stopped_or_killed(workspace: Workspace, how: str) -> None:
    """Feature row 75, and resume: trials that completed do not run again."""
    journal = workspace.folder / "journal"
    started = workspace.start(
        _pipekit(), "tune", "flow.py:flow", "--space", "rate=1,2,3", "--grid", "--parallel", "1",
        "--maximize",
    )  # fmt: skip
    while not (journal.exists() and "3.0" in journal.read_text()):
        assert started.process.poll() is None, started.end().err
        time.sleep(0.02)
    (run,) = workspace.pipekit("ls", "--json").json
    if how == "stop":
        assert workspace.pipekit("stop", run["id"]).code == 0
        assert started.end().code == 130
    else:
        os.kill(started.process.pid, signal.SIGKILL)
        started.end()
    (workspace.folder / "gate").touch()
    resumed = workspace.pipekit("resume", run["id"])
    assert resumed.code == 0, resumed.err
    lines = journal.read_text().split()
    assert (lines.count("1.0"), lines.count("2.0"), lines.count("3.0")) == (1, 1, 2)
    value = workspace.pipekit("get", run["id"], "--json").json
    value = value.get("value", value)
    assert [trial["value"] for trial in value["trials"]] == [1.0, 2.0, 3.0]
    assert value["best"] == 2


def test_a_tuned_sweep_goes_on_with_the_trials_that_it_had(workspace: Workspace) -> None:
    journal = workspace.folder / "journal"
    started = workspace.start(
        _pipekit(), "tune", "flow.py:flow", "--space", "rate=2.001:3", "--trials", "4",
        "--parallel", "2", "--maximize", "--sampler-seed", "1",
    )  # fmt: skip
    while not (journal.exists() and len(journal.read_text().split()) == 2):
        assert started.process.poll() is None, started.end().err
        time.sleep(0.02)
    os.kill(started.process.pid, signal.SIGKILL)
    started.end()
    first = set(journal.read_text().split())
    (workspace.folder / "gate").touch()
    (run,) = workspace.pipekit("ls", "--json").json
    resumed = workspace.pipekit("resume", run["id"])
    assert resumed.code == 0, resumed.err
    lines = journal.read_text().split()
    assert len(set(lines)) == 4  # four trials in all, of which two began twice
    assert {line for line in lines if lines.count(line) == 2} == first
    value = workspace.pipekit("get", run["id"], "--json").json
    assert len(value.get("value", value)["trials"]) == 4


def _pipekit() -> str:
    return str(Path(sys.executable).with_name("pipekit"))
