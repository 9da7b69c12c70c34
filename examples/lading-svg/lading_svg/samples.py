"""Good SVG documents, and one of each kind that is refused: what the suite shows the detector."""

from collections.abc import Mapping, Sequence
from typing import Final

from lading.plugins.errors import DetectError, ImageCorrupt, NotAnImage, SideTooLong
from lading.plugins.testing import Refused, Sample
from lading_svg import errors
from lading_svg.detector import CONTENT_TYPE, FORMAT


def svg(inner: str = "", attributes: str = 'width="64" height="48"') -> str:
    """A document with this in it, in which the prefixes ``svg`` and ``xlink`` are declared."""
    namespaces = (
        'xmlns="http://www.w3.org/2000/svg" xmlns:svg="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    return f"<svg {namespaces} {attributes}>{inner}</svg>"


PICTURE: Final = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<!-- Created by hand -->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
     xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" xmlns:dc="http://purl.org/dc/elements/1.1/"
     xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
     width="16.934mm" height="0.5in" viewBox="0 0 64 48" version="1.1">
  <title>Ein Bild mit Größe &amp; Inhalt</title>
  <metadata><rdf:RDF><rdf:Description rdf:about=""><dc:title>Bild</dc:title></rdf:Description></rdf:RDF></metadata>
  <style type="text/css"><![CDATA[ .a > .b { fill: url(#paint); stroke: #123 } /* no more */ ]]></style>
  <defs>
    <linearGradient id="paint"><stop offset="0" stop-color="#fff"/><stop offset="100%"/></linearGradient>
    <clipPath id="clip"><circle cx="5" cy="5" r="4"/></clipPath>
    <g id="part"><path d="M0,0 L10,10z" inkscape:label="url (of) a part: 1"/></g>
  </defs>
  <g class="a" transform="translate(1, 2)" style="font-family:'\\5b8b'; filter: url('#none')" clip-path="url(#clip)">
    <rect class="b" width="10" height="10" fill="url(#paint)">
      <animate attributeName="width" from="10" to="20" dur="1s"/>
    </rect>
    <use xlink:href="#part" x="5"/><use href="#part"/>
    <text x="1" y="20">Zeile <tspan font-weight="bold">eins</tspan></text>
  </g>
</svg>"""

PREFIXED: Final = (
    '<s:svg xmlns:s="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><s:rect width="5" height="5"/></s:svg>'
)

_SAMPLES: Final[Mapping[str, tuple[bytes, int, int]]] = {
    "small": (b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"/>', 64, 48),
    "picture": (PICTURE.encode(), 64, 48),
    "prefixed": (PREFIXED.encode(), 20, 10),
    "without a size": (svg(attributes="").encode(), 300, 150),
    "utf-8 with a mark": (b"\xef\xbb\xbf" + svg("<title>ü</title>").encode(), 64, 48),
    "utf-16": (svg("<title>ü 🖼</title>").encode("utf-16"), 64, 48),
    "utf-16, big endian": (
        b"\xfe\xff" + ('<?xml version="1.0" encoding="utf-16"?>' + svg()).encode("utf-16-be"),
        64,
        48,
    ),
}

_DTD: Final = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"'

_REFUSED: Final[Sequence[tuple[str, str, type[DetectError]]]] = (
    ("script", svg("<script>alert(1)</script>"), errors.ActiveContent),
    ("event attribute", svg(attributes='onload="alert(1)"'), errors.ActiveContent),
    ("script link", svg('<a xlink:href="javascript:alert(1)"><text>x</text></a>'), errors.ActiveContent),
    ("foreign object", svg("<foreignObject/>"), errors.ActiveContent),
    ("image of elsewhere", svg('<image href="https://example.org/a.png"/>'), errors.ExternalReference),
    ("style of elsewhere", svg("<style>@import 'a.css';</style>"), errors.ExternalReference),
    ("embedded svg", svg('<image href="data:image/svg+xml;base64,AAAA"/>'), errors.EmbeddedNotAllowed),
    ("unknown element", svg("<unknown/>"), errors.ElementNotAllowed),
    ("entities", f'{_DTD} [<!ENTITY a "b">]>{svg("&a;")}', errors.DoctypeNotAllowed),
    ("an entity without a declaration", f"{_DTD}>{svg('&a;')}", ImageCorrupt),
    ("latin-1", '<?xml version="1.0" encoding="iso-8859-1"?>' + svg(), errors.EncodingNotAllowed),
    ("circle", svg('<g id="a"><use href="#a"/></g>'), errors.CircularUse),
    ("too deep", svg("<g>" * 20_000 + "</g>" * 20_000), errors.TooComplex),
    ("too wide", svg(attributes='width="1e300" height="1"'), SideTooLong),
    ("no end", svg()[:-1], ImageCorrupt),
    ("two roots", svg() + svg(), ImageCorrupt),
    ("another namespace", '<svg xmlns="http://www.w3.org/2000/SVG"/>', NotAnImage),
    ("no namespace", '<svg width="10" height="10"/>', NotAnImage),
    ("a feed", '<?xml version="1.0"?><rss><svg xmlns="http://www.w3.org/2000/svg"/></rss>', NotAnImage),
)


def samples() -> list[Sample]:
    """Good documents, with what they are."""
    return [Sample(name, data, FORMAT, CONTENT_TYPE, *sides) for name, (data, *sides) in _SAMPLES.items()]


def refused() -> list[Refused]:
    """Documents that no options let through, with what they are refused for."""
    return [Refused(name, text.encode(), error) for name, text, error in _REFUSED]
