"""What was typed after `pipekit run`, taken apart: the TARGET, pipekit's own options, and the texts
for the pipeline's parameters. Casts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipekit.cli.parameter import Parameter
from pipekit.errors import UsageError

_OWN_WITH_VALUE = ("--executor", "--params", "--refresh", "--until", "-p", "--param")
_OWN_ALONE = ("--audit", "--no-cache", "--pdb", "--json", "--help", "-h")
OWN = frozenset({*_OWN_WITH_VALUE, *_OWN_ALONE})
"""Options of pipekit's own: a parameter of such a name is given as `-p name=value`."""


@dataclass(slots=True)
class Arguments:
    """`pipekit run TARGET …` as it was typed."""

    executor: str = ""
    until: str = ""
    """Name of the step after which the run is to stop; empty: none."""
    without_cache: bool = False
    refresh: list[str] = field(default_factory=list)
    """Names of steps that are to run whatever is remembered."""
    with_debugger: bool = False
    with_audit: bool = False
    as_json: bool = False
    wants_help: bool = False
    files: list[str] = field(default_factory=list)
    """Files of parameters; a later one beats an earlier one."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """Parameter name -> what was typed for it, one text for each time."""
    unknown: list[str] = field(default_factory=list)
    """Names that were typed and that the pipeline does not have."""


def find_target(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The TARGET (empty where there is none), and all that was typed beside it.

    Raises:
        UsageError: an option that only the pipeline can know stands before the TARGET.
    """
    skip = False
    for index, text in enumerate(arguments):
        if skip:
            skip = False
        elif text in _OWN_WITH_VALUE:
            skip = True
        elif not text.startswith("-"):
            return text, [*arguments[:index], *arguments[index + 1 :]]
        elif text.partition("=")[0] not in OWN:
            raise UsageError(
                f"{text!r} stands before the TARGET, whose parameters are not known yet.",
                hint="pipekit run path/file.py:function --name value",
            )
    return "", list(arguments)


def parse(arguments: Sequence[str], parameters: Sequence[Parameter]) -> Arguments:
    """Sort out what was typed beside the TARGET. Names that the pipeline does not have are
    collected, so that all that is wrong can be said at once.

    Raises:
        UsageError: an option lacks its value, or something stands where none belongs.
    """
    return _Parser(parameters).parse(list(arguments))


def spelled(parameter: Parameter, text: str = "VALUE") -> str:
    """How a parameter is given: `--name VALUE`, or `-p name=VALUE` where pipekit has an option of
    that name."""
    if is_hidden(parameter):
        return f"-p {parameter.name}={text}"
    return f"{parameter.option} {text}"


def is_hidden(parameter: Parameter) -> bool:
    """Whether an option of pipekit's own has the parameter's name, or the name that says no to
    it."""
    return parameter.option in OWN or (parameter.is_flag and f"--no-{parameter.option[2:]}" in OWN)


class _Parser:
    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = [p for p in parameters if not p.takes_any_name]
        self._takes_any_name = len(self._parameters) < len(parameters)
        self._by_name = {parameter.name: parameter for parameter in self._parameters}
        self._found = Arguments()
        self._flag = ""
        """The flag before what is read now."""

    def parse(self, left: list[str]) -> Arguments:
        left.reverse()
        while left:
            text = left.pop()
            name, equals, value = text.partition("=")
            given = value if equals else None
            flag, self._flag = self._flag, ""
            if name in OWN:
                self._own(name, given, left)
            elif name.startswith("--") and len(name) > 2:
                self._parameter(name[2:].replace("-", "_"), given, left)
            else:
                raise self._stray(text, flag)
        return self._found

    def _own(self, name: str, given: str | None, left: list[str]) -> None:
        found = self._found
        if name in _OWN_ALONE:
            if given is not None:
                raise UsageError(f"Option {name} takes no value, and was given {given!r}.")
            found.as_json |= name == "--json"
            found.with_debugger |= name == "--pdb"
            found.with_audit |= name == "--audit"
            found.without_cache |= name == "--no-cache"
            found.wants_help |= name in ("--help", "-h")
            return
        value = _value(name, given, left)
        if not value:  # `--until "$STEP"`, and no such variable
            raise UsageError(f"Option {name} was given an empty text.", hint="leave it out.")
        if name == "--executor":
            found.executor = value
        elif name == "--until":
            found.until = value
        elif name == "--refresh":
            found.refresh.append(value)
        elif name == "--params":
            found.files.append(value)
        else:
            parameter, equals, text = value.partition("=")
            if not equals:
                raise UsageError(f"{name} {value!r} has no '='.", hint=f"write {name} name=value.")
            if not parameter.strip():
                raise UsageError(
                    f"{name} {value!r} names no parameter.", hint=f"write {name} name=value."
                )
            self._add(parameter.strip().replace("-", "_"), text)

    def _parameter(self, name: str, given: str | None, left: list[str]) -> None:
        parameter = self._by_name.get(name)
        if parameter is not None and parameter.is_flag and given is None:
            self._flag = name
            self._add(name, "true")
        elif parameter is None and self._is_negated(name):
            if given is not None:
                raise UsageError(f"Option {_option(name)} takes no value, and was given {given!r}.")
            self._add(name[3:], "false")
        elif parameter is None and not self._takes_any_name and given is None:
            if left and not left[-1].startswith("--") and left[-1] not in OWN:
                left.pop()  # its value, as far as can be told
            self._found.unknown.append(name)
        else:
            self._add(name, _value(_option(name), given, left))

    def _is_negated(self, name: str) -> bool:
        parameter = self._by_name.get(name[3:]) if name.startswith("no_") else None
        return parameter is not None and parameter.is_flag

    def _add(self, name: str, text: str) -> None:
        if name in self._by_name or (self._takes_any_name and name.isidentifier()):
            self._found.texts.setdefault(name, []).append(text)
        else:
            self._found.unknown.append(name)

    def _stray(self, text: str, flag: str) -> UsageError:
        hint = "a value that begins with '-' is written --name=value."
        if flag and not text.startswith("-"):
            option = _option(flag)
            hint = f"write {option}={text}, or {option} or --no-{option[2:]} alone."
        elif not text.startswith("-") and self._parameters:
            hint = f"parameters are given by name, such as {spelled(self._parameters[0], text)}."
        return UsageError(f"{text!r} belongs to no option.", hint=hint)


def _value(option: str, given: str | None, left: list[str]) -> str:
    if given is not None:
        return given
    if not left or left[-1].startswith("--") or left[-1] in OWN:
        raise UsageError(f"Option {option} needs a value.", hint=f"write {option}=value.")
    return left.pop()


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
