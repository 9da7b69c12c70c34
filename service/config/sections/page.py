"""The section about the page for people."""

from pydantic import Field

from ..fields import Section


class PageSettings(Section):
    """``[page]``: the page at /, where people add and watch imports in a browser."""

    enabled: bool = Field(
        True,
        description=(
            "Whether Lading serves the page at / to browsers. It works with the token of its reader, like any client"
            " of the API."
        ),
    )
