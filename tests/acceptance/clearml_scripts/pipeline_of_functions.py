"""A pipeline from functions: plain ones, which a controller strings together."""

import sys

from pipekit.clearml import PipelineController


def load(url, rows):
    return [[float(number), float(number * number)] for number in range(rows)], url


def process(data, test_size):
    held_back = int(len(data) * test_size)
    return data[held_back:], data[:held_back]


def train(learned):
    return sum(y for _, y in learned) / len(learned)


pipe = PipelineController(
    name="functions", project="examples", version="1.1", add_pipeline_tags=True
)
pipe.set_default_execution_queue("default")
pipe.add_parameter(name="url", description="where the data are", default="memory://numbers")
pipe.add_parameter(name="rows", default="8", param_type="str")
pipe.add_parameter(name="share", default=0.25, param_type="float")


def before(pipeline, node, parameters):
    parameters["rows"] = int(parameters["rows"])


pipe.add_function_step(
    name="load",
    function=load,
    function_kwargs={"url": "${pipeline.url}", "rows": "${pipeline.rows}"},
    function_return=["data", "source"],
    cache_executed_step=True,
    pre_execute_callback=before,
    packages=["pandas>=2"],
)
pipe.add_function_step(
    name="process",
    function=process,
    function_kwargs={"data": "${load.data}", "test_size": "${pipeline.share}"},
    function_return=["learned", "tested"],
    cache_executed_step=True,
    monitor_artifacts=["tested"],
)
pipe.add_function_step(
    name="train",
    function=train,
    function_kwargs={"learned": "${process.learned}"},
    function_return=["model"],
    task_type="training",
    tags=["last"],
)

if sys.argv[1:] == ["--local"]:
    pipe.start_locally(run_pipeline_steps_locally=True)
else:
    pipe.start()
print("done", pipe.is_successful())
