"""A component taken from an instance or a class, which is then its first argument."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from pipekit.api.component import Component


class BoundComponent:
    """What `model.fit` is where `fit` is a component in the class of `model`.

    Attributes:
        function: The original, bound.
    """

    def __init__(self, component: Component[..., Any], instance: Any) -> None:
        self.component = component
        self.__self__ = instance
        self.__name__ = component.__name__
        self.__doc__ = component.__doc__
        self.function: Callable[..., Any] = MethodType(component.function, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.component(self.__self__, *args, **kwargs)

    map = Component.map

    def options(self, **options: Any) -> BoundComponent:
        """The same with other options: those of `Component.options`.

        Raises:
            UsageError: an option is unknown, or its value cannot be right.
        """
        return BoundComponent(self.component.options(**options), self.__self__)

    @property
    def name(self) -> str:
        """Display name of its steps."""
        return self.component.name

    def __repr__(self) -> str:
        return f"<component {self.name} of {self.__self__!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundComponent):
            return NotImplemented
        return self.component is other.component and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.component), id(self.__self__)))

    def __counts_as__(self) -> object:
        return self.component, self.__self__

    def __reduce__(self) -> Any:
        return BoundComponent, (self.component, self.__self__)


class ComponentOfClass(classmethod):  # type: ignore[type-arg]
    """What `@component` makes of a class method: bound to the class that it is taken from."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        made: Any = self.__func__
        return BoundComponent(made, owner or type(instance))
