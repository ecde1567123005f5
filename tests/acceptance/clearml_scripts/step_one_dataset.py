"""First of three tasks: puts a file of measurements into reach of the others, as an artifact."""

from pathlib import Path

from pipekit.clearml import StorageManager, Task

task = Task.init(project_name="examples", task_name="step 1 dataset artifact")

settings = {"dataset_url": Path(__file__).with_name("flowers.csv").as_uri()}
task.connect(settings)

path = StorageManager.get_local_copy(remote_url=settings["dataset_url"])
task.upload_artifact("dataset", artifact_object=path)
print("uploaded the artifact in the background")
