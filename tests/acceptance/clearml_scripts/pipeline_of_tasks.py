"""A pipeline from tasks: three that were run, or drafted, before are its templates."""

import sys
from pathlib import Path

from pipekit.clearml import PipelineController


def before(pipeline, node, parameters):
    print(f"cloning {node.base_task_id or node.base_task_name} with {sorted(parameters)}")
    return True


def after(pipeline, node):
    print(f"completed {node.name}, its task is {node.executed}")


pipe = PipelineController(
    name="flowers", project="examples", version="0.0.1", add_pipeline_tags=False
)
pipe.add_parameter("url", Path(__file__).with_name("flowers.csv").as_uri(), "dataset_url")
pipe.add_parameter("test_size", 0.25, "share of the rows to test with")
pipe.set_default_execution_queue("default")
pipe.add_step(
    name="stage_data",
    base_task_project="examples",
    base_task_name="step 1 dataset artifact",
    parameter_override={"General/dataset_url": "${pipeline.url}"},
)
pipe.add_step(
    name="stage_process",
    parents=["stage_data"],
    base_task_project="examples",
    base_task_name="step 2 process dataset",
    parameter_override={
        "General/dataset_url": "${stage_data.artifacts.dataset.url}",
        "General/test_size": "${pipeline.test_size}",
        "General/random_state": 7,
    },
    pre_execute_callback=before,
    post_execute_callback=after,
)
pipe.add_step(
    name="stage_train",
    parents=["stage_process"],
    base_task_project="examples",
    base_task_name="step 3 train model",
    parameter_override={"General/dataset_task_id": "${stage_process.id}"},
    monitor_metrics=[("accuracy", "test")],
)

if sys.argv[1:] == ["--local"]:
    pipe.start_locally(run_pipeline_steps_locally=True)
else:
    pipe.start()
print("done", pipe.is_successful())
