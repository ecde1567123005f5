"""Third step: learns the middle of each species, and logs how many flowers it names rightly."""

from pipekit import Task, log_metric

MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

task = Task.init(project_name="examples", task_name="train model")
args = {"split_task_id": "", "measures": list(MEASURES)}
task.connect(args)

parts = (
    Task.get_task(task_id=args["split_task_id"])
    if args["split_task_id"]
    else Task.get_task(project_name="examples", task_name="split data")
).artifacts
train, test = parts["train"].get(), parts["test"].get()


def values(flower):
    return [float(flower[measure]) for measure in args["measures"]]


def middle(flowers):
    return [sum(column) / len(column) for column in zip(*map(values, flowers), strict=True)]


species = sorted({flower["species"] for flower in train})
model = {name: middle([one for one in train if one["species"] == name]) for name in species}


def named(flower):
    here = values(flower)
    return min(
        model, key=lambda name: sum((a - b) ** 2 for a, b in zip(here, model[name], strict=True))
    )


right = sum(named(flower) == flower["species"] for flower in test)
log_metric("accuracy", right / len(test))
task.upload_artifact("model", artifact_object=model)
print(f"{right} of {len(test)} named rightly")
