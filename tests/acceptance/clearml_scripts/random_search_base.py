"""A task with parameters to be searched: how good they are is its last scalar."""

import argparse

from pipekit.clearml import Logger, Task

task = Task.init(project_name="examples", task_name="trial")
parser = argparse.ArgumentParser()
parser.add_argument("--layer_1", type=int, default=128)
parser.add_argument("--rate", type=float, default=0.1)
args = parser.parse_args()
task.connect(args)

for epoch in range(1, 4):
    loss = (abs(args.layer_1 - 256) / 512 + args.rate) / epoch
    Logger.current_logger().report_scalar("evaluate", "loss", iteration=epoch, value=loss)
