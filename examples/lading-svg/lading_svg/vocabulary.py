"""The names that decide what an element or an attribute may do.

Elements of SVG are let through by name: what is not listed is refused. Elements of other namespaces mean nothing to a
viewer (editors keep their notes in them), save those of the few that browsers implement. Since a stored file may one
day be put into a page, names that an HTML parser would act on are refused whatever their namespace.
"""

from typing import Final

SVG: Final = "http://www.w3.org/2000/svg"
XLINK: Final = "http://www.w3.org/1999/xlink"
XML: Final = "http://www.w3.org/XML/1998/namespace"
XMLNS: Final = "http://www.w3.org/2000/xmlns/"

_ELEMENTS: Final = """
svg g defs symbol use switch title desc metadata style a view
path rect circle ellipse line polyline polygon image
text tspan textPath tref altGlyph altGlyphDef altGlyphItem glyphRef
linearGradient radialGradient stop pattern solidcolor solidColor mesh meshgradient meshrow meshpatch hatch hatchpath
clipPath mask marker cursor color-profile
filter feBlend feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap
feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode
feMorphology feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence
animate animateColor animateMotion animateTransform set mpath
font font-face font-face-format font-face-name font-face-src font-face-uri glyph missing-glyph hkern vkern
flowRoot flowRegion flowRegionExclude flowDiv flowPara flowSpan flowLine
"""
ELEMENTS: Final = frozenset(_ELEMENTS.split())
"""Of SVG 1.1 (appendix K) and SVG 2 (appendix F), and the flowing text of the SVG 1.2 drafts that Inkscape writes."""

TEXT_ONLY: Final = frozenset({"style", "title", "desc"})
"""Elements of SVG that may hold text alone: HTML reads what is in them by rules of its own."""

EMBEDDING: Final = frozenset({"image", "feImage"})
"""Elements of SVG whose reference may be a data: URL."""

ANIMATIONS: Final = frozenset({"animate", "animateColor", "animateMotion", "animateTransform", "set"})

_ACTIVE_ELEMENTS: Final = """
applet audio base bgsound body button canvas embed fencedframe foreignobject form frame frameset handler head html
iframe image img input isindex link listener marquee math meta noembed noframes noscript object param plaintext
portal script select selectedcontent slot style svg template textarea video webview xmp
"""
ACTIVE_ELEMENTS: Final = frozenset(_ACTIVE_ELEMENTS.split())
"""In lower case; refused in any namespace but that of SVG, where ``ELEMENTS`` decides."""

ACTIVE_NAMESPACES: Final = frozenset(
    {
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/2002/06/xhtml2/",
        "http://www.w3.org/TR/REC-html40",
        "http://www.w3.org/1998/Math/MathML",
        "http://www.w3.org/1999/XSL/Transform",
        "http://www.w3.org/TR/WD-xsl",
        "http://www.w3.org/2001/xml-events",
        "http://www.w3.org/2001/XInclude",
        "http://www.w3.org/2003/XInclude",
        "http://www.w3.org/2002/xforms",
        "http://www.w3.org/ns/xbl",
        "http://www.mozilla.org/xbl",
        "http://www.mozilla.org/keymaster/gatekeeper/there.is.only.xul",
        "urn:schemas-microsoft-com:vml",
        "urn:schemas-microsoft-com:time",
    }
)
"""Namespaces that a browser of today or of the past acts on."""

_URL_ATTRIBUTES: Final = """
action archive background cite classid code codebase data dynsrc formaction href icon imagesrcset longdesc lowsrc
manifest ping poster profile src srcdoc srcset usemap
"""
URL_ATTRIBUTES: Final = frozenset(_URL_ATTRIBUTES.split())
"""In lower case; attributes of this local name hold URLs, whatever their namespace and element."""
