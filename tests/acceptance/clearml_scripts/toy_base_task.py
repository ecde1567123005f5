"""A task to be cloned: it says what its parameter is."""

from pipekit.clearml import Task

task = Task.init(project_name="examples", task_name="Toy Base Task")

parameters = {"Example_Param": 1}
task.connect(parameters)
parameters["Late_Param"] = "written after connect"

print("Example_Param is", parameters["Example_Param"])
task.get_logger().report_scalar("toy", "squared", parameters["Example_Param"] ** 2, iteration=1)
