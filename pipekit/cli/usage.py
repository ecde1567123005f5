"""What `--help` of `pipekit run` says: of the command, and of one pipeline's parameters."""

from __future__ import annotations

import inspect
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipekit.api.pipeline import Pipeline
from pipekit.cli.arguments import is_hidden
from pipekit.cli.docstring import first_line, parameter_texts
from pipekit.cli.parameter import Parameter
from pipekit.model.excerpt import excerpt

_OPTIONS = (
    ("--executor NAME", "process (default), process:8, or inline."),
    ("--params FILE", "Parameters from a .json or .toml file, from lines of NAME=value (.env), or "
                      "from stdin as JSON (-). What is typed beats the file."),
    ("-p NAME=VALUE", "A parameter, also one whose name is one of pipekit's own options."),
    ("--no-cache", "Reuse nothing; what is computed is remembered all the same."),
    ("--refresh STEP", "Run this step (fit-2), or all steps of a component (fit), whatever is "
                       "remembered, and what follows where its value changed. Repeatable."),
    ("--until STEP", "Stop after the first step of this name (fit, fit-2)."),
    ("--audit", "Say at the end what the steps that ran did and what a reused result does not see: "
                "code that their keys do not count (Python 3.12 or later), network, programs."),
    ("--pdb", "Run inline, and open the debugger where a step or the pipeline failed."),
    ("--json", "Print the run as JSON; what the pipeline prints goes to stderr."),
    ("-h, --help", "Show this; with a TARGET, its parameters too."),
)  # fmt: skip
_ABOUT = (
    "Run a pipeline. TARGET is path/file.py:function or package.module:function; the function may "
    "be left out where there is one pipeline. Its parameters are options of the same name."
)
_VALUES = (
    "A list is given item by item (--size 1 --size 2) or as JSON, structures as JSON, an enum by "
    "value or name, None as none."
)
_MOST_LEFT = 30
_SHOWN_CHARACTERS = 60


def command_help() -> str:
    """What `pipekit run --help` says."""
    return "\n".join(
        [
            "Usage: pipekit run TARGET [OPTIONS] [--param VALUE]...",
            "",
            *_wrapped(_ABOUT, "  "),
            "",
            "Options:",
            *_rows(_OPTIONS),
        ]
    )


def target_help(target: str, pipeline: Pipeline[Any, Any], parameters: Sequence[Parameter]) -> str:
    """What `pipekit run TARGET --help` says."""
    needed = [_given_as(p, p.type_text.upper()) for p in parameters if p.is_required]
    usage = " ".join(["Usage: pipekit run", target, "[OPTIONS]", *needed])
    docstring = inspect.getdoc(pipeline.function) or ""
    about, texts = first_line(docstring), parameter_texts(docstring)
    lines = [usage, ""]
    if about:
        lines += [*_wrapped(about, "  "), ""]
    lines.append(f"Parameters of {pipeline.name}:")
    lines += _rows([(_left(p), _right(p, texts.get(p.name, ""))) for p in parameters]) or ["  none"]
    if parameters:
        lines += ["", *_wrapped(_VALUES, "  ")]
    return "\n".join([*lines, "", "Options:", *_rows(_OPTIONS)])


def _left(parameter: Parameter) -> str:
    if parameter.takes_any_name:
        return f"--NAME {parameter.type_text}"
    if parameter.is_flag and not is_hidden(parameter):
        return f"{parameter.option} / --no-{parameter.option[2:]}"
    left = _given_as(parameter, parameter.type_text)
    return f"{left} ..." if parameter.is_many else left


def _given_as(parameter: Parameter, what: str) -> str:
    if is_hidden(parameter):
        return f"-p {parameter.name}={what}"
    return f"{parameter.option} {what}"


def _right(parameter: Parameter, text: str) -> str:
    about = [text] if text else []
    if parameter.takes_any_name:
        about = about or ["Any further name."]
    elif parameter.is_required:
        about.append("[required]")
    elif not parameter.takes_more:
        about.append(f"[default: {_default_text(parameter)}]")
    return " ".join(about)


def _default_text(parameter: Parameter) -> str:
    from enum import Enum

    from pipekit.cli.cast import MOMENTS

    value = parameter.default
    if value is None:
        return "none"
    if parameter.is_flag:
        option = parameter.option[2:]
        return option if value else f"no-{option}"
    if isinstance(value, Enum):
        text = value.value if isinstance(value.value, str) else value.name
    else:
        text = str(value) if isinstance(value, (Path, *MOMENTS)) else repr(value)
    return excerpt(text, _SHOWN_CHARACTERS)


def _rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns; a wide left side has its right side below."""
    width = max((len(left) for left, _ in rows if len(left) <= _MOST_LEFT), default=0)
    lines = []
    for left, right in rows:
        first, *more = _wrapped(right, " " * (width + 4)) or [""]
        if len(left) > width:
            lines += [f"  {left}", first]
        else:
            lines.append(f"  {left:<{width}}  {first.strip()}".rstrip())
        lines += more
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _columns(), initial_indent=indent, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _columns() -> int:
    try:
        wide = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        wide = 80
    return max(50, min(wide, 100))
