"""A pipeline of tasks: three scripts as templates, and a function that reads what came of them.

    cd examples/11_pipeline_of_tasks
    python stage_data.py && python split_data.py && python train_model.py
    python controller.py

The scripts make their tasks, the controller clones them, with other parameters, each in a process
of its own on this machine. With agents (`pipekit agent --queue services`, `pipekit agent --queue
default`), `python controller.py --agents` has all of it run by them. Needs nothing beside pipekit.
"""

import sys

from pipekit import PipelineController


def check(accuracy: float, wanted: float, model: dict[str, list[float]]) -> str:
    """Whether the model is good enough."""
    verdict = "good enough" if accuracy >= wanted else "too bad"
    return f"{accuracy:.0%} right, {verdict}; it knows {', '.join(model)}"


def show(pipeline, node, parameters):
    print(f"{node.name} is given {parameters}")


pipe = PipelineController(name="iris", project="examples", version="1.0")
pipe.add_parameter("test_share", 0.4, "how many of the flowers are kept for the test")
pipe.add_parameter("wanted", 0.9, "the accuracy that is good enough")

pipe.add_step("stage", base_task_project="examples", base_task_name="stage data")
pipe.add_step(
    "split",
    base_task_project="examples",
    base_task_name="split data",
    parameter_override={
        "General/dataset_task_id": "${stage.id}",
        "General/test_share": "${pipeline.test_share}",
    },
    pre_execute_callback=show,
)
pipe.add_step(
    "train",
    base_task_project="examples",
    base_task_name="train model",
    parameter_override={"General/split_task_id": "${split.id}"},
    monitor_metrics=["accuracy"],
)
pipe.add_function_step(
    "check",
    check,
    {
        "accuracy": "${train.metrics.accuracy}",
        "wanted": "${pipeline.wanted}",
        "model": "${train.artifacts.model}",
    },
    "verdict",
)

if __name__ == "__main__":
    if "--agents" in sys.argv:
        pipe.start()
    else:
        pipe.start_locally(run_pipeline_steps_locally=True)
    print(pipe.task["check"].artifacts["verdict"].get())
