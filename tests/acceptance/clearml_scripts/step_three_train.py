"""Third of three tasks: learns the middle of each kind, and says how often that finds the kind."""

from pathlib import Path

from pipekit.clearml import Logger, Task

task = Task.init(project_name="examples", task_name="step 3 train model")

args = {"dataset_task_id": "", "stretch": 1.0}
task.connect(args)

task.execute_remotely()

dataset = Task.get_task(task_id=args["dataset_task_id"])
X_train, y_train = dataset.artifacts["X_train"].get(), dataset.artifacts["y_train"].get()
X_test, y_test = dataset.artifacts["X_test"].get(), dataset.artifacts["y_test"].get()

middles = {}
for kind in sorted(set(y_train)):
    own = [row for row, other in zip(X_train, y_train, strict=True) if other == kind]
    middles[kind] = [sum(column) / len(own) for column in zip(*own, strict=True)]


def nearest(row):
    def far(kind):
        length, width = middles[kind]
        return (row[0] - length) ** 2 + args["stretch"] * (row[1] - width) ** 2

    return min(middles, key=far)


found = [nearest(row) == kind for row, kind in zip(X_test, y_test, strict=True)]
for number in range(1, len(found) + 1):
    share = sum(found[:number]) / number
    Logger.current_logger().report_scalar("accuracy", "test", value=share, iteration=number)
Logger.current_logger().report_table(
    "middles", "by kind", iteration=0, table_plot=[[kind, *at] for kind, at in middles.items()]
)

model = Path("model.txt")
model.write_text(repr(middles))
task.upload_artifact("model", str(model))
print("Done")
