"""Steps that read and write on their own account. Copied into a project folder by its tests."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pkgutil
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any

import observed_reader

from pipekit import component, get, pipeline

STEPS: dict[str, Any] = {}


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    return STEPS.setdefault(function.__name__, component(function))


@step
def by_open() -> str:
    with open("data.txt") as file:
        return file.read()


@step
def by_path() -> str:
    return Path("data.txt").read_text()


@step
def by_helper() -> str:
    return observed_reader.read("data.txt")


@step
def by_csv() -> int:
    with open("data.txt", newline="") as file:
        return len(list(csv.reader(file)))


@step
def by_json() -> str:
    with open("data.txt") as file:
        return json.dumps(file.read())


@step
def by_pandas() -> int:
    import pandas as pd

    return len(pd.read_csv("data.txt"))


@step
def by_numpy() -> float:
    import numpy as np

    return float(np.load("data.txt", mmap_mode="r").sum())


@step
def by_gzip() -> bytes:
    with gzip.open("data.txt") as file:
        return file.read()


@step
def by_zip() -> list[str]:
    with zipfile.ZipFile("data.txt") as file:
        return file.namelist()


@step
def by_sqlite() -> int:
    connection = sqlite3.connect("data.txt")
    found = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    connection.close()
    return int(found)


@step
def by_copy() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return Path(shutil.copy("data.txt", folder)).read_text()


@step
def by_descriptor() -> bytes:
    fd = os.open("data.txt", os.O_RDONLY)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


@step
def by_thread() -> str:
    found = []
    thread = threading.Thread(target=lambda: found.append(Path("data.txt").read_text()))
    thread.start()
    thread.join()
    return found[0]


@step
def by_link() -> str:
    return Path("link.txt").read_text()


@step
def elsewhere() -> str:
    before = os.getcwd()
    os.chdir("folder")
    try:
        return Path("inner.txt").read_text()
    finally:
        os.chdir(before)


@step
def by_import_system() -> bytes:
    return pkgutil.get_data("observed_reader", "data.txt") or b""


@step
def if_there() -> str:
    try:
        return Path("data.txt").read_text()
    except FileNotFoundError:
        return "nothing"


@step
def if_allowed() -> str:
    try:
        return Path("data.txt").read_text()
    except PermissionError:
        return "not allowed"


@step
def asks_by_path() -> bool:
    return Path("data.txt").exists()


@step
def asks_by_text() -> bool:
    return os.path.isfile("data.txt")


@step
def asks_for_size() -> int:
    return os.path.getsize("data.txt")


@step
def asks_for_time() -> float:
    return Path("data.txt").stat().st_mtime


@step
def makes_unless_there() -> bool:
    was_there = os.path.exists("out.txt")
    if not was_there:
        Path("out.txt").write_text("out")
    return was_there


@step
def copies() -> str:
    return shutil.copy("data.txt", "out.txt")


@step
def names() -> list[str]:
    return sorted(path.name for path in Path("folder").glob("*.txt"))


@step
def listing() -> list[str]:
    return sorted(os.listdir("folder"))


@step
def variable() -> str:
    return os.environ.get("OBSERVED", "not set")


@step
def variable_in_text() -> str:
    return Template("$OBSERVED").substitute(os.environ) + os.path.expandvars("$OBSERVED")


@step
def library_variables() -> str:
    return os.path.expanduser("~/x") + (shutil.which("nothing-of-that-name") or "")


@step
def own_variable() -> str:
    os.environ["OBSERVED"] = "mine"
    return os.environ["OBSERVED"]


@step
def whole_environment() -> int:
    return len(os.environ.copy())


@step
def add_to_log() -> int:
    with open("log.txt", "a") as file:
        file.write("x")
    return 1


@step
def add_and_read() -> str:
    with open("log.txt", "a") as file:
        file.write("x")
    return Path("log.txt").read_text()


@step
def read_and_write() -> str:
    text = Path("data.txt").read_text()
    Path("data.txt").write_text(text + "x")
    return text


@step
def write() -> int:
    Path("out.txt").write_text("out")
    return 1


@step
def write_by_rename() -> int:
    Path("part.txt").write_text("out")
    os.replace("part.txt", "out.txt")
    return 1


@step
def remove() -> int:
    Path("data.txt").unlink(missing_ok=True)
    return 1


@step
def own_files() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "inner", "a.txt")
        path.parent.mkdir()
        path.write_text("a")
        subprocess.run(["cp", path, f"{folder}/b.txt"], check=True)
        return [path.read_text(), Path(folder, "b.txt").read_text(), *sorted(os.listdir(folder))]


@step
def edited_meanwhile() -> str:
    text = Path("data.txt").read_text()
    script = "import pathlib; pathlib.Path('data.txt').write_text('later')"
    subprocess.run([sys.executable, "-c", script], check=True)
    return text


@step
def kept(before: Any = None) -> str:
    return observed_reader.read_once() + observed_reader.read_into_table("data.txt")


@step
def kept_by_function(before: Any = None) -> str:
    return observed_reader.read_once()


@step
def kept_by_table(before: Any = None) -> str:
    return observed_reader.read_into_table("data.txt")


@step
def kept_by_global(before: Any = None) -> str:
    return observed_reader.read_into_global()


@step
def kept_by_closure(before: Any = None) -> str:
    return observed_reader.read_by_closure("data.txt")


@step
def kept_by_object(before: Any = None) -> str:
    return observed_reader.READER.read()


@step
def kept_by_module(before: Any = None) -> str:
    import observed_config

    return observed_config.text()


@step
def shares_no_reads(name: str, before: Any = None) -> str:
    return observed_reader.read(name)


@step
def reads_slowly(name: str) -> str:
    first = Path(name).read_text()
    threading.Event().wait(0.2)
    return first + Path(f"{name}.more").read_text()


@step
def many() -> int:
    return sum(len(Path("many", str(number)).read_text()) for number in range(1000))


@step
def named(path: str) -> int:
    return len(path)


@step
def named_and_written(path: str) -> int:
    Path(path).write_text("out")
    return 1


@step
def fails() -> str:
    observed_reader.read_once()
    raise ValueError("on purpose")


@pipeline
def single(which: str) -> Any:
    return STEPS[which]()


@pipeline
def given(which: str, text: str) -> Any:
    return STEPS[which](text)


@pipeline
def twice(first: str, second: str) -> Any:
    before = STEPS[first]()
    return STEPS[second].options(after=before)()


@pipeline
def two_files() -> Any:
    first = STEPS["shares_no_reads"]("data.txt")
    return STEPS["shares_no_reads"]("other.txt", first)


@pipeline
def unordered() -> Any:
    return [STEPS["reads_out"](0.4), STEPS["write"].options(cache=False)()]


@pipeline
def ordered() -> Any:
    first = STEPS["write"]()
    return [first, STEPS["reads_out"].options(after=first)(0.0)]


@pipeline
def awaited() -> Any:
    get(STEPS["write"]())
    return STEPS["reads_out"](0.0)


@step
def reads_out(seconds: float) -> str:
    threading.Event().wait(seconds)
    return Path("out.txt").read_text()
