"""Decorated functions as steps: branches, a loop, failures that are handled, steps in parallel."""

import time

from pipekit.clearml import PipelineDecorator


@PipelineDecorator.component(return_values=["score"], tags=["trained"])
def fit(rate: float) -> float:
    started = time.time()
    time.sleep(0.3)
    return {"score": 1 - rate, "started": started, "ended": time.time()}


@PipelineDecorator.component(continue_on_fail=True)
def fragile():
    raise ValueError("this one breaks")


@PipelineDecorator.component(retry_on_failure=2)
def second_time(folder):
    from pathlib import Path

    seen = Path(folder, "seen")
    if not seen.exists():
        seen.touch()
        raise OSError("not yet")
    return "at last"


@PipelineDecorator.component(parents=["second_time"])
def report(best):
    return f"best: {best:.1f}"


@PipelineDecorator.pipeline(name="functions as steps", project="examples", add_pipeline_tags=True)
def search(folder, goal: float = 0.85):
    first = [fit(rate) for rate in (0.5, 0.4)]
    assert max(one["started"] for one in first) < min(one["ended"] for one in first)
    rate, best = 0.4, max(one["score"] for one in first)
    while best < goal:
        rate -= 0.1
        best = max(best, fit(rate)["score"])
    try:
        print(fragile() + 1)
    except Exception as error:  # noqa: BLE001 - whatever a step raised
        print("handled", type(error).__name__)
    second_time(folder)
    return report(best)


if __name__ == "__main__":
    from tempfile import mkdtemp

    PipelineDecorator.run_locally()
    print(search(mkdtemp()))
