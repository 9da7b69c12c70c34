"""Harmless documents, each with its size. Among them is what looks like something else at first sight."""

from tests.support import PIXEL, svg

SIZE = (64, 48)

_CONTENT: dict[str, str] = {
    "nothing": "",
    "shapes": "<rect width='1' height='1'/><path d='M0 0L1,1z'/><polygon points='0,0 1,1 0,1'/>",
    "an embedded picture": f'<image href="{PIXEL}"/>',
    "an embedded picture by the older name": f'<image xlink:href="{PIXEL}" x="1"/>',
    "an embedded picture with line ends": f'<image href=" {PIXEL[:40]}&#10;{PIXEL[40:80]}\n  {PIXEL[80:]}"/>',
    "an embedded picture in a filter": f'<filter id="f"><feImage href="{PIXEL}"/></filter>',
    "an embedded picture in a style": f"<rect style=\"fill: url( '{PIXEL}' )\"/>",
    "an embedded picture in a sheet": f"<style>rect {{ background: url({PIXEL}) }}</style>",
    "references within": '<g id="a"/><use href="#a"/><use xlink:href=" #a "/><rect fill="url(#a)" mask="url(\'#a\')"/>',
    "references to nothing": '<use href="#none"/><use href=""/><use/>',
    "links within": '<a href="#a"><text id="a">x</text></a>',
    "an animation": '<circle r="1"><animate attributeName="r" values="1;2" dur="1s"/></circle>',
    "an animation of motion": '<animateMotion path="M0 0"><mpath href="#a"/></animateMotion>',
    "words for scripts": "<text>javascript: the script onload=alert(1) &lt;script></text>",
    "words for scripts in a title": "<title>&lt;script>alert(1)&lt;/script></title>",
    "names that begin like events": '<g data-on="1" o="1" aria-label="onload"/>',
    "text with brackets": '<g id="image (1)" aria-label="a url (see b)" data-name="Src (2)"/>',
    "a sheet": "<style>/* url(#a) */ a > b { fill: #fff; scroll-behavior: smooth } @media print { a { b: c } }</style>",
    "a sheet in a CDATA section": "<style><![CDATA[ a > b { content: '\\201C' } ]]></style>",
    "escapes": "<g style=\"font-family: '\\5b8b\\4f53'; fill: url(#a)\"/>",
    "text in a CDATA section": "<text><![CDATA[ 1 < 2 && 3 > 2 ]]></text>",
    "a comment": "<!-- <rect/> is not drawn -->",
    "a packet of XMP": '<?xpacket begin="" id="W5M0"?><x:x xmlns:x="adobe:ns:meta/"/><?xpacket end="w"?>',
    "notes of an editor": '<s:namedview xmlns:s="http://sodipodi.sourceforge.net/0.dtd" s:docname="a: (b).svg"/>',
    "a licence": '<r:li xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" r:resource="http://example.org/"/>',
    "a namespace that is only declared": '<g xmlns:h="http://www.w3.org/1999/xhtml"/>',
    "xml:space and xml:lang": '<g xml:space="preserve" xml:lang="de"/>',
    "flowing text of Inkscape": "<flowRoot><flowPara>x</flowPara></flowRoot>",
    "an svg in it": '<svg width="1" height="1"/>',
    "character references": "<text>&#252; &#x1F5BC; &amp; &quot;</text>",
    "a name that is not English": "<x:größe xmlns:x='urn:x' x:länge='1'/>",
}

_DTD = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.{0}//EN" "{1}">'
_SVG11 = "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"
_SVG10 = "http://www.w3.org/TR/2001/REC-SVG-20010904/DTD/svg10.dtd"

_WHOLE: dict[str, str | bytes] = {
    "declared": f'<?xml version="1.0"?>{svg()}',
    "declared in full": f"<?xml version = '1.0'  encoding='UTF-8' standalone=\"no\" ?>\n{svg()}",
    "white space around it": f"\n\t {svg()} \r\n",
    "a comment around it": f"<!-- a -->{svg()}<!-- b -->",
    "the document type of SVG 1.1": _DTD.format(1, _SVG11) + svg(),
    "the document type of SVG 1.1, by https": _DTD.format(1, _SVG11.replace("http:", "https:")) + svg(),
    "the document type of SVG 1.0": _DTD.format(0, _SVG10) + svg(),
    "the document type in lines": _DTD.format(1, _SVG11).replace('" "', '"\n\t "') + svg(),
    "the shortest document type": f"<!DOCTYPE svg>{svg()}",
    "utf-8 with a mark": b"\xef\xbb\xbf" + svg().encode(),
    "utf-16": svg("<title>ü 🖼</title>").encode("utf-16"),
    "utf-16, declared": f'<?xml version="1.0" encoding="UTF-16"?>{svg()}'.encode("utf-16"),
    "long": svg("<g>" + "<path d='M0 0'/>" * 20_000 + "</g>"),
    "a prefix": svg().replace("<svg ", "<svg:svg ").replace("</svg", "</svg:svg"),
    "many uses": svg('<g id="a"/>' + '<use href="#a"/>' * 40_000),
}

ACCEPTED: dict[str, str | bytes] = {**{name: svg(inner) for name, inner in _CONTENT.items()}, **_WHOLE}
