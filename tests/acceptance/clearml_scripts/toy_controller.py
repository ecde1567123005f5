"""Programmatic orchestration: a task that clones another, changes it, and leaves it to an agent."""

from pipekit.clearml import Task

task = Task.init(
    project_name="examples",
    task_name="Toy Controller",
    task_type=Task.TaskTypes.controller,
    reuse_last_task_id=False,
)

wanted = {"base_task": "Toy Base Task", "param_name": "Example_Param", "param_value": 3}
wanted = task.connect(wanted)

template = Task.get_task(project_name="examples", task_name=wanted["base_task"])
clone = Task.clone(source_task=template, name="Auto generated cloned task", parent=template.id)
parameters = clone.get_parameters()
parameters[wanted["param_name"]] = wanted["param_value"]
clone.set_parameters(parameters)
print("cloned", clone.id, clone.status)

Task.enqueue(clone.id, queue_name="default")
print("enqueued", clone.get_status())
