"""Random search: clones of one task with parameters that were drawn, and the best of them."""

from random import sample, seed

from pipekit.clearml import Task

space = {"Args/layer_1": [128, 256, 512], "Args/rate": [0.1, 0.2, 0.4]}
total, queue = 3, "default"

task = Task.init(
    project_name="examples", task_name="random search", task_type=Task.TaskTypes.optimizer
)
task.connect({"space": {name: list(values) for name, values in space.items()}})

seed(4)
template = Task.get_task(project_name="examples", task_name="trial")
trials = []
for number in range(total):
    clone = Task.clone(source_task=template, name=f"{template.name} {number}", parent=template.id)
    drawn = {name: sample(values, 1)[0] for name, values in space.items()}
    clone.set_parameters(template.get_parameters() | drawn)
    Task.enqueue(clone, queue_name=queue)
    print("Experiment", number, "set with", drawn)
    trials.append((clone, drawn))

results = []
for clone, drawn in trials:
    clone.wait_for_status()
    loss = clone.get_last_scalar_metrics()["evaluate"]["loss"]["last"]
    results.append((loss, clone.id, drawn))
    task.get_logger().report_scalar("search", "loss", value=loss, iteration=len(results))

best = min(results)
task.upload_artifact("best", {"loss": best[0], "id": best[1], "parameters": best[2]})
print("Experiment", best[1], "is the best, with", best[2])
