"""Second of three tasks: splits the measurements of the first, to learn from and to test."""

import csv
import random

from pipekit.clearml import StorageManager, Task

task = Task.init(project_name="examples", task_name="step 2 process dataset")

args = {"dataset_task_id": "", "dataset_url": "", "random_state": 42, "test_size": 0.2}
task.connect(args)
print(f"Arguments: {args}")

task.execute_remotely()  # the first run by hand ends here, and leaves a template

if args["dataset_task_id"]:
    dataset_task = Task.get_task(task_id=args["dataset_task_id"])
    print(f"Artifacts of {dataset_task.name}: {list(dataset_task.artifacts)}")
    path = dataset_task.artifacts["dataset"].get_local_copy()
elif args["dataset_url"]:
    path = StorageManager.get_local_copy(remote_url=args["dataset_url"])
else:
    raise ValueError("Missing dataset link")

with open(path) as file:
    rows = [(float(r["length"]), float(r["width"]), r["kind"]) for r in csv.DictReader(file)]
random.Random(args["random_state"]).shuffle(rows)
held_back = int(len(rows) * args["test_size"])

task.upload_artifact("X_train", [row[:2] for row in rows[held_back:]])
task.upload_artifact("X_test", [row[:2] for row in rows[:held_back]])
task.upload_artifact("y_train", [row[2] for row in rows[held_back:]])
task.upload_artifact("y_test", [row[2] for row in rows[:held_back]])
task.get_logger().report_single_value("rows", len(rows))
