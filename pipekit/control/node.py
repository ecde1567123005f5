"""A node of a `PipelineController`: a step as it was declared, and how it stands while its run goes
on. Owns no rule about what may be declared together, and runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipekit.errors import UsageError, listed
from pipekit.model.name import check_name
from pipekit.model.records import Task
from pipekit.model.reference import PIPELINE, references_in
from pipekit.model.status import Status

Names = str | Sequence[str] | None
Pairs = Sequence[Any] | None


@dataclass(slots=True, eq=False)
class Node:
    """One step of a controller's pipeline: a template task that is cloned, or a function."""

    name: str
    """The step's, unique in its pipeline."""
    parents: tuple[str, ...] = ()
    """Names of the steps that it waits for, those among them that its references name."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Of a template: what takes the place of its parameters; of a function: its arguments. May hold
    `${…}` anywhere; in callbacks these stand resolved."""
    base_task_id: str = ""
    base_task_project: str = ""
    base_task_name: str = ""
    function: Callable[..., Any] | None = None
    outputs: tuple[str, ...] = ()
    """Names of what the function returns; none: it is one value, `value`."""
    queue: str = ""
    """Empty: the pipeline's own."""
    cache: bool | None = None
    retries: int | None = None
    retry_delay: float | None = None
    time_limit: float | None = None
    """In seconds."""
    continue_on_fail: bool = False
    tags: tuple[str, ...] = ()
    task_type: str = ""
    pre_execute_callback: Callable[..., Any] | None = None
    post_execute_callback: Callable[..., Any] | None = None
    status_change_callback: Callable[..., Any] | None = None
    monitor_metrics: tuple[tuple[str, str], ...] = ()
    """(metric of the step, metric of the pipeline)."""
    monitor_artifacts: tuple[tuple[str, str], ...] = ()
    template: Task | None = None
    """The task that is cloned; known once the pipeline has been checked."""
    status: Status = Status.PENDING
    executed: str | None = None
    """Id of the step's task, once it has one."""

    @property
    def is_function(self) -> bool:
        return self.function is not None

    def declared(self) -> Node:
        """The same, as it was before any run."""
        made = Node(self.name)
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        made.parameters = dict(self.parameters)
        made.status, made.executed, made.template = Status.PENDING, None, None
        return made

    def __repr__(self) -> str:
        return f"<node {self.name} {self.status.value}>"


def parents_of(node: Node, names: Sequence[str]) -> tuple[str, ...]:
    """The steps that a node waits for: those that it names as parents, then those of its
    references. `names` are those of all nodes.

    Raises:
        UsageError: a reference cannot be read, or names an unknown step.
    """
    found = dict.fromkeys(node.parents)
    for reference in references_in(node.parameters, names):
        if reference.step != PIPELINE:
            found[reference.step] = None
    return tuple(found)


def check_node_name(name: Any, known: Mapping[str, Node]) -> str:
    """
    Raises:
        UsageError: no step can be called so, or one is.
    """
    if not isinstance(name, str) or not check_name(name, "Step"):
        raise UsageError(f"name={name!r} of a step is to be a text.")
    if name == PIPELINE:
        raise UsageError(
            f"A step cannot be named {PIPELINE!r}: in references that is the pipeline itself.",
            hint="give it another name.",
        )
    if any(mark in name for mark in "${}/"):
        raise UsageError(
            f"A step cannot be named {name!r}: references to it could not be read.",
            hint="leave '$', '{', '}' and '/' out.",
        )
    if name in known:
        raise UsageError(
            f"There are two steps named {name!r}. So far there are: {listed(list(known))}.",
            hint="give each a name of its own.",
        )
    return name


def names_of(given: Names, what: str) -> tuple[str, ...]:
    """Names as users give them: none, one, several.

    Raises:
        UsageError: these are none.
    """
    if given is None:
        return ()
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise UsageError(f"{what}={given!r} is to be a name, or a list of names.")
    return tuple(dict.fromkeys(names))


def metric_pairs(given: Pairs) -> tuple[tuple[str, str], ...]:
    """What `monitor_metrics` means: names, `(title, series)`, or two of these, from and to.

    Raises:
        UsageError: it means none of this.
    """
    pairs = []
    for one in () if given is None else given:
        if isinstance(one, str):
            pairs.append((one, one))
        elif _is_pair(one) and all(isinstance(part, str) for part in one):
            pairs.append(("/".join(one), "/".join(one)))
        elif _is_pair(one) and all(_is_pair(part) for part in one):
            pairs.append(("/".join(one[0]), "/".join(one[1])))
        else:
            raise UsageError(
                f"monitor_metrics={given!r}: {one!r} is no metric.",
                hint="write a name, ('title', 'series'), or (('title', 'series'), ('to', 'to')).",
            )
    return tuple(pairs)


def artifact_pairs(given: Pairs) -> tuple[tuple[str, str], ...]:
    """What `monitor_artifacts` means: names, or two of these, from and to.

    Raises:
        UsageError: it means none of this.
    """
    pairs = []
    for one in () if given is None else given:
        if isinstance(one, str):
            pairs.append((one, one))
        elif _is_pair(one) and all(isinstance(part, str) for part in one):
            pairs.append((one[0], one[1]))
        else:
            raise UsageError(
                f"monitor_artifacts={given!r}: {one!r} is no artifact.",
                hint="write its name, or ('name', 'name on the pipeline').",
            )
    return tuple(pairs)


def _is_pair(one: Any) -> bool:
    return isinstance(one, tuple | list) and len(one) == 2
