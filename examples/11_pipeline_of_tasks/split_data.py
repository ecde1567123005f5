"""Second step: parts what another task has staged into flowers to learn from and to test with."""

import random

from pipekit import Task

task = Task.init(project_name="examples", task_name="split data")
args = {"dataset_task_id": "", "test_share": 0.25, "seed": 1}
task.connect(args)

staged = (
    Task.get_task(task_id=args["dataset_task_id"])
    if args["dataset_task_id"]
    else Task.get_task(project_name="examples", task_name="stage data")
)
flowers = staged.artifacts["dataset"].get()
random.Random(args["seed"]).shuffle(flowers)
count = int(len(flowers) * args["test_share"])
task.upload_artifact("test", artifact_object=flowers[:count])
task.upload_artifact("train", artifact_object=flowers[count:])
print(f"{len(flowers) - count} to learn from, {count} to test with")
