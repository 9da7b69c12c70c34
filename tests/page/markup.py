"""Texts that hold markup, or something else that a page might take for more than text."""

from typing import Final

_TAGS: Final = (
    "<script>MARK</script>",
    "<ScRiPt>MARK</sCrIpT>",
    "<script src=data:,MARK></script>",
    "<img src=x onerror=MARK>",
    "<img src=x onerror='MARK'//",
    '"><img src=x onerror=MARK>',
    "'><img src=x onerror=MARK>",
    "<svg onload=MARK>",
    "<svg/onload=MARK//",
    "<svg><script>MARK</script></svg>",
    "<svg><animate onbegin=MARK attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:MARK><text>x</text></a></svg>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=MARK></style>",
    "<math href=javascript:MARK>x</math>",
    "<iframe src=javascript:MARK></iframe>",
    "<iframe srcdoc='<script>MARK</script>'></iframe>",
    "<object data=javascript:MARK></object>",
    "<embed src=javascript:MARK>",
    "<body onload=MARK>",
    "<details open ontoggle=MARK>x</details>",
    "<input autofocus onfocus=MARK>",
    "<select autofocus onfocus=MARK><option>x</select>",
    "<textarea autofocus onfocus=MARK></textarea>",
    "<video><source onerror=MARK></video>",
    "<audio src=x onerror=MARK>",
    "<marquee onstart=MARK>x</marquee>",
    "<link rel=stylesheet href=data:text/css,*{color:red}>",
    "<style>*{display:none}</style>",
    "<style>@import 'data:text/css,*{display:none}';</style>",
    "<base href=http://127.0.0.1:9/>",
    "<meta http-equiv=refresh content=0;url=http://127.0.0.1:9/>",
    "<form action=javascript:MARK><button>x</button></form>",
    "<button formaction=javascript:MARK>x</button>",
    "<a href=javascript:MARK>x</a>",
    "<a href='java\tscript:MARK'>x</a>",
    "<div style=background:url(javascript:MARK)>x</div>",
    "<template><img src=x onerror=MARK></template>",
    "<noscript><p title='</noscript><img src=x onerror=MARK>'>",
    "<!--><img src=x onerror=MARK>-->",
    "<![CDATA[<img src=x onerror=MARK>]]>",
    "<?xml version='1.0'?><img src=x onerror=MARK>",
    "<portal src=javascript:MARK>",
    "<dialog open onclose=MARK>x</dialog>",
    "<xss contenteditable onfocus=MARK autofocus>",
)
_OTHERS: Final = (
    "javascript:MARK",
    "JaVaScRiPt:MARK//http://x",
    "data:text/html,<script>MARK</script>",
    "vbscript:MARK",
    "${MARK}",
    "{{constructor.constructor('MARK')()}}",
    "%3Cimg src=x onerror=MARK%3E",
    "&lt;img src=x onerror=MARK&gt;",
    "&#60;img src=x onerror=MARK&#62;",
    "\\u003cimg src=x onerror=MARK\\u003e",
    "＜img src=x onerror=MARK＞",
    "\u202egpj.exe <b>x</b>",
    "__proto__",
    "constructor",
    "'; MARK; //",
    "`-MARK-`",
)
TEXTS: Final = tuple(text.replace("MARK", "pwned(1)") for text in (*_TAGS, *_OTHERS))
"""Each of them calls ``pwned`` if a page takes it for more than text."""
STARTED: Final = """
() => [...document.querySelectorAll("*")].filter((element) =>
  ["IFRAME", "OBJECT", "EMBED", "BASE", "PORTAL", "MATH", "XSS", "B"].includes(element.tagName)
  || [...element.attributes].some(({name, value}) => /^on|^srcdoc$/.test(name)
    || (name === "style" && !/^flex-grow: \\d+;$/.test(value))
    || (/href|src|action|data$/.test(name) && /^\\s*(javascript|vbscript|data):/i.test(value)))
).map((element) => element.outerHTML)
"""
"""Elements that no module of the page makes."""
