"""A script that is a task: run once, it can be run again with other parameters, here or elsewhere.

    python examples/10_script_task.py
    pipekit clone ID --set degree=2 --run      # ID: see 'pipekit ls'
    pipekit clone ID --set degree=3 --queue default; pipekit agent --queue default

What the script is connected with shows as its parameters. A clone runs the code as it was, in a
copy of the project, with what it was given put into `settings`: no line here is changed for that.
"""

from dataclasses import dataclass

from pipekit import Task, log_metric


@dataclass
class Settings:
    degree: int = 1
    """Of the polynomial."""
    steps: int = 400
    rate: float = 0.1


task = Task.init(project_name="examples", task_name="fit a curve", tags=["curve"])
settings = task.connect(Settings())

points = [(x / 10, (x / 10) ** 2) for x in range(-10, 11)]
weights = [0.0] * (settings.degree + 1)


def error_at(x: float, y: float) -> float:
    return sum(weight * x**power for power, weight in enumerate(weights)) - y


for step in range(settings.steps):
    for power in range(len(weights)):
        slope = sum(error_at(x, y) * x**power for x, y in points) / len(points)
        weights[power] -= settings.rate * slope
    if step % 100 == 0:
        task.set_progress(100 * step / settings.steps)

error = sum(error_at(x, y) ** 2 for x, y in points) / len(points)
log_metric("error", error)
task.upload_artifact("weights", weights)
print(f"degree {settings.degree}: error {error:.4f}")
