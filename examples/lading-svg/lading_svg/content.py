"""What elements and attributes may do: every one of a document is judged here."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from lading_svg import styles
from lading_svg.embedded import is_data_url, may_be_embedded
from lading_svg.errors import ActiveContent, ElementNotAllowed, EmbeddedNotAllowed, ExternalReference
from lading_svg.namespaces import Name
from lading_svg.scripts import holds_script_url
from lading_svg.vocabulary import (
    ACTIVE_ELEMENTS,
    ACTIVE_NAMESPACES,
    ANIMATIONS,
    ELEMENTS,
    EMBEDDING,
    SVG,
    TEXT_ONLY,
    URL_ATTRIBUTES,
    XML,
)

_SPACE: Final = " \t\r\n"
_LINK: Final = re.compile(r"(?:https?://|mailto:)[^\s\\]", re.IGNORECASE)
_EVENT: Final = re.compile(r"on[a-z]", re.IGNORECASE)


class Judge:
    """Refuses what is active or leads out of the document.

    Args:
        embedded: media types that data: URLs may have.
        links: whether ``a`` elements may lead to the web.
    """

    def __init__(self, *, embedded: Collection[str], links: bool) -> None:
        self._embedded = embedded
        self._links = links

    def element(self, name: Name, attributes: Sequence[tuple[Name, str]]) -> None:
        """Judge a start tag.

        Raises:
            SvgRefused: it may not be.
        """
        self._name(name)
        for attribute, value in attributes:
            self._attribute(name, attribute, value)

    def style(self, text: str) -> None:
        """Judge a style sheet or an attribute with a style in it.

        Raises:
            SvgRefused: it may not be.
        """
        texts = styles.readings(text)
        if styles.is_active(texts):
            raise ActiveContent(what="a style")
        if styles.imports(texts):
            raise ExternalReference(what="a style")
        for url in styles.urls(texts):
            if is_data_url(url):
                self._embedding(url)
            elif not url.startswith("#"):
                raise ExternalReference(what="a style")

    def _name(self, name: Name) -> None:
        local = name.local.lower()
        if name.namespace == SVG:
            if name.local in ELEMENTS:
                return
            if local in ACTIVE_ELEMENTS:
                raise ActiveContent(what=f"the element {local}")
            raise ElementNotAllowed(ascii(name.local))
        if local in ACTIVE_ELEMENTS:
            raise ActiveContent(ascii(name.namespace), what=f"the element {local}")
        if name.namespace in ACTIVE_NAMESPACES:
            raise ActiveContent(ascii(name.local), what=f"an element of {name.namespace}")

    def _attribute(self, element: Name, name: Name, value: str) -> None:
        local = name.local.lower()
        if name.namespace in ACTIVE_NAMESPACES or _EVENT.match(local):
            raise ActiveContent(ascii(name.local), what="an event attribute")
        if name.namespace == XML and local == "base":
            raise ExternalReference(what="xml:base")
        if local == "attributename" and element.local in ANIMATIONS:
            _check_target(value)
        if local in URL_ATTRIBUTES:
            self._reference(element, name, value)
            return
        if holds_script_url(value):
            raise ActiveContent(ascii(name.local), what="a script URL")
        # Only attributes without a namespace are presentation attributes; editors' own hold any text.
        if not name.namespace and styles.may_load(value):
            self.style(value)

    def _reference(self, element: Name, name: Name, value: str) -> None:
        where = f"{name.local!a} of {element.local!a}"
        url = value.strip(_SPACE)
        if not url or url.startswith("#"):
            return
        if is_data_url(url) and element.namespace == SVG and element.local in EMBEDDING:
            self._embedding(url)
        elif holds_script_url(url):
            raise ActiveContent(where, what="a script URL")
        elif not (self._links and element == (SVG, "a") and _LINK.match(url)):
            raise ExternalReference(where, what="a URL")

    def _embedding(self, url: str) -> None:
        if not may_be_embedded(url, self._embedded):
            raise EmbeddedNotAllowed


def is_text_only(name: Name) -> bool:
    """Whether the element may hold text alone."""
    return name.namespace == SVG and name.local in TEXT_ONLY


def _check_target(value: str) -> None:
    """Refuse an animation that would set a reference or an event attribute."""
    target = value.strip(_SPACE).rpartition(":")[2].strip(_SPACE).lower()
    if target in URL_ATTRIBUTES or target.startswith("on"):
        raise ActiveContent(what="an animation of a reference")
