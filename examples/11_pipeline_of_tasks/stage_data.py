"""First step: reads the measurements of a file, and keeps them as an artifact.

    python examples/11_pipeline_of_tasks/stage_data.py

Each of the three scripts runs by itself; that makes the task which `controller.py` clones.
"""

import csv
from pathlib import Path

from pipekit import Task, get_local_copy

task = Task.init(project_name="examples", task_name="stage data")
args = {"url": str(Path(__file__).parents[1] / "data" / "iris.csv")}
task.connect(args)

with get_local_copy(args["url"]).open(newline="") as file:
    flowers = list(csv.DictReader(file))
task.upload_artifact("dataset", artifact_object=flowers)
print(f"{len(flowers)} flowers of {args['url']}")
