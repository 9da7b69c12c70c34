"""Parameters that nothing reads: ignoring them would show another list than the client asked for."""

from collections.abc import Collection, Iterable

from .catalogue import ApiError


def refuse_unknown(params: Iterable[str], known: Collection[str], owner: str) -> None:
    """Check the names of parameters.

    Args:
        params: the names in a request.
        known: the names that are read.
        owner: of the parameters, for the error's text, such as ``this list``.

    Raises:
        ApiError: ``parameter_invalid``, naming the first unknown parameter.
    """
    for name in params:
        if name not in known:
            told = f"the parameters of {owner} are {', '.join(known)}" if known else f"{owner} has no parameters"
            raise ApiError("parameter_invalid", parameter=name, reason=f"is unknown; {told}")
