"""From what was typed and what stands in files to the arguments of the pipeline's call: all of
them right, or one error that names all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipekit.cli.arguments import OWN, Arguments, is_hidden
from pipekit.cli.cast import Misfit, cast, cast_data
from pipekit.cli.parameter import Parameter
from pipekit.errors import UsageError, nearest

if TYPE_CHECKING:
    from pipekit.cli.parameter_file import ParameterFile


def bind(
    parameters: Sequence[Parameter],
    given: Arguments,
    files: Sequence[ParameterFile],
    *,
    pipeline: str,
    target: str,
) -> tuple[list[Any], dict[str, Any]]:
    """(args, kwargs) of the call: the command line beats a file, a file beats the default.

    Raises:
        UsageError: a value does not fit, is missing, or is given for a name that is not there.
    """
    binding = _Binding(parameters)
    for name in given.unknown:
        binding.add_unknown(name)
    for file in files:
        binding.take_file(file, given)
    binding.take_texts(given)
    binding.find_missing()
    if binding.wrong:
        lines = "\n".join(f"  {line}" for line in binding.wrong)
        count = len(binding.wrong)
        what = "one parameter is wrong" if count == 1 else f"{count} parameters are wrong"
        raise UsageError(
            f"Pipeline {pipeline!r} was not run: {what}.\n{lines}",
            hint=f"'pipekit run {target} --help' lists its parameters.",
        )
    return binding.call()


def cast_changes(
    parameters: Sequence[Parameter], texts: Mapping[str, str], *, what: str
) -> dict[str, Any]:
    """Parameter name -> value, of those for which a text was given in place of a recorded value.

    Args:
        parameters: Of the pipeline function.
        texts: Name -> what was typed.
        what: What did not become of it, as an error begins.

    Raises:
        UsageError: a text does not fit, or there is no such parameter; all that is wrong is said.
    """
    binding = _Binding(parameters)
    found = {name: binding.change_of(name, text) for name, text in texts.items()}
    if binding.wrong:
        lines = "\n".join(f"  {line}" for line in binding.wrong)
        raise UsageError(f"{what}:\n{lines}")
    return dict(one for one in found.values() if one is not None)


class _Binding:
    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        self._by_name = {p.name: p for p in parameters if not p.takes_any_name}
        self._any_name = next((p for p in parameters if p.takes_any_name), None)
        self._values: dict[str, Any] = {}
        self._given: set[str] = set()
        self.wrong: list[str] = []

    def add_unknown(self, name: str) -> None:
        """A name was typed that the pipeline does not have."""
        option = "--" + name.replace("_", "-")
        options = [parameter.option for parameter in self._by_name.values()]
        near = nearest(option, [*options, *sorted(OWN)])
        self.wrong.append(f"{option} is no parameter of it{'; ' + near if near else ''}")

    def take_file(self, file: ParameterFile, given: Arguments) -> None:
        """Take what a file gives, but for what was typed as well."""
        seen: dict[str, str] = {}
        for key, data in file.data.items():
            name = self._name_of(key, is_text=file.is_text)
            if not name:
                near = nearest(key, list(self._by_name))
                self.wrong.append(
                    f"{key!r} in {file.name} is no parameter of it{'; ' + near if near else ''}"
                )
                continue
            if name in seen:
                self.wrong.append(f"{seen[name]!r} and {key!r} in {file.name} are the same")
            seen[name] = key
            if name in given.texts:
                continue
            where = f"{name} in {file.name}"
            parameter = self._parameter(name)
            self._given.add(name)
            try:
                self._values[name] = (
                    cast(parameter, [data]) if file.is_text else cast_data(parameter, data)
                )
            except Misfit as misfit:
                self.wrong.append(_line(where, parameter, misfit, as_typed=file.is_text))

    def take_texts(self, given: Arguments) -> None:
        """Take what was typed."""
        for name, texts in given.texts.items():
            parameter = self._parameter(name)
            self._given.add(name)
            try:
                self._values[name] = cast(parameter, texts)
            except Misfit as misfit:
                self.wrong.append(_line(_spelling(parameter), parameter, misfit, as_typed=True))

    def change_of(self, key: str, text: str) -> tuple[str, Any] | None:
        """The parameter that a key means, and its value; None where that is wrong."""
        name = self._name_of(key, is_text=False)
        if not name:
            near = nearest(key, list(self._by_name))
            has = f"it has: {', '.join(self._by_name) or 'none'}"
            self.wrong.append(f"it has no parameter {key!r}; {near or has}")
            return None
        parameter = self._parameter(name)
        try:
            return name, cast(parameter, [text])
        except Misfit as misfit:
            self.wrong.append(_line(name, parameter, misfit, has_example=False))
            return None

    def find_missing(self) -> None:
        """Name the parameters that nothing was given for and that have no default."""
        for parameter in self._parameters:
            if parameter.is_required and parameter.name not in self._given:
                wanted = f"{_spelling(parameter)} is missing: {parameter.type_text}"
                self.wrong.append(wanted + _such_as(parameter))

    def call(self) -> tuple[list[Any], dict[str, Any]]:
        """The values as the function takes them."""
        values = dict(self._values)
        more = next((p.name for p in self._parameters if p.takes_more), "")
        takes_place = more in values and bool(values[more])
        args: list[Any] = []
        for parameter in self._parameters:
            if parameter.takes_more:
                args.extend(values.pop(parameter.name, ()))
                takes_place = False
            elif parameter.is_positional or takes_place:
                args.append(values.pop(parameter.name, parameter.default))
        return args, values

    def _name_of(self, key: str, *, is_text: bool) -> str:
        """The parameter that a key of a file means: itself, with `_` for `-`, and in lines of
        `NAME=value` also in capitals, as variables are written."""
        spellings = [key, key.replace("-", "_")]
        if is_text:
            spellings.append(key.lower())
        for name in spellings:
            if name in self._by_name:
                return name
        return key if self._any_name is not None and key.isidentifier() else ""

    def _parameter(self, name: str) -> Parameter:
        known = self._by_name.get(name)
        if known is not None or self._any_name is None:
            return self._by_name[name]
        return Parameter(name, self._any_name.annotation)


def _spelling(parameter: Parameter) -> str:
    return f"-p {parameter.name}" if is_hidden(parameter) else parameter.option


def _line(
    where: str, parameter: Parameter, misfit: Misfit, *, as_typed: bool = True,
    has_example: bool = True,
) -> str:  # fmt: skip
    given = misfit.given if misfit.given[:5] == "given" else f"given {misfit.given}"
    line = f"{where} was {given}; wanted {parameter.type_text}"
    if misfit.detail:
        line += f": {misfit.detail}"
    return line + _such_as(parameter, as_typed=as_typed) if has_example else line


def _such_as(parameter: Parameter, *, as_typed: bool = True) -> str:
    """An example, but where the type itself lists what there is."""
    import json

    from pipekit.cli.example import example_of, typed_example

    typed = typed_example(parameter)
    if not typed or " or '" in parameter.type_text:
        return ""
    if as_typed:
        return f", such as {typed}"
    return f", such as {json.dumps(example_of(parameter.annotation))}"
