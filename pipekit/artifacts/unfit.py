"""How a serializer hands a value on."""


class Unfit(Exception):
    """This serializer does not take the value after all; the next one may."""
