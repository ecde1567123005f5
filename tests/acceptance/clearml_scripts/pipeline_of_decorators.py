"""A pipeline from decorated functions: its logic is plain Python."""

import sys

from pipekit.clearml import Logger, PipelineDecorator, TaskTypes


def doubled(number):
    return 2 * number


@PipelineDecorator.component(
    return_values=["frame"], cache=True, task_type=TaskTypes.data_processing, docker="python:3.9"
)
def load(rows: int, extra: str = ""):
    print("loading")
    return [{"x": number, "y": doubled(number)} for number in range(rows)]


@PipelineDecorator.component(return_values=["X_train", "X_test", "y_train", "y_test"], cache=True)
def split(frame, test_size=0.25):
    held_back = int(len(frame) * test_size)
    x, y = [row["x"] for row in frame], [row["y"] for row in frame]
    return x[held_back:], x[:held_back], y[held_back:], y[:held_back]


@PipelineDecorator.component(return_values="model", execution_queue="gpu")
def train(x, y):
    model = sum(y) / sum(x)
    Logger.current_logger().report_scalar("model", "slope", value=model, iteration=0)
    return model


@PipelineDecorator.component(
    return_values=["accuracy"],
    monitor_metrics=[("accuracy", "share")],
    monitor_artifacts=[("accuracy", "last accuracy")],
)
def evaluate(model, x, y):
    right = sum(model * one == other for one, other in zip(x, y, strict=True))
    Logger.current_logger().report_scalar("accuracy", "share", value=right / len(x), iteration=0)
    PipelineDecorator.get_logger().report_text(f"right: {right}", print_console=False)
    PipelineDecorator.upload_artifact("right", {"right": right, "of": len(x)})
    return right / len(x)


@PipelineDecorator.pipeline(
    name="decorated", project="examples", version="0.0.5", return_value="accuracy",
    pool_frequency=1.0,
)  # fmt: skip
def executing_pipeline(rows: int = 8, name: str = "", number: str = "12"):
    print("pipeline args:", rows, repr(name), repr(number))
    frame = load(rows)
    X_train, X_test, y_train, y_test = split(frame)
    model = train(X_train, y_train)
    if model < 1:
        raise ValueError("not trained")
    accuracy = 100 * evaluate(model, X_test, y_test)
    print(f"Accuracy={accuracy}%")
    return accuracy


if __name__ == "__main__":
    PipelineDecorator.set_default_execution_queue("default")
    if "--local" in sys.argv:
        PipelineDecorator.run_locally()
    if "--debug" in sys.argv:
        PipelineDecorator.debug_pipeline()
    print("process completed", executing_pipeline(rows=12))
