"""What a page may be made of: a look at its markup as a browser would read it."""

import re

from lxml import html

TAGS = set(
    re.findall(
        r"\w+",
        """html head title meta link body header nav main footer section article aside div p span a b q i em
        strong sup sub h1 h2 h3 h4 ul ol li dl dt dd form button input textarea select option optgroup label
        fieldset legend details summary table thead tbody tr th td mark svg path circle rect line g use time
        script small code pre hr br figure figcaption kbd text abbr cite blockquote meter progress
        polyline caption noscript desc""",
    )
)
ADDRESSES = ("href", "src", "action", "formaction", "srcset", "poster", "data", "background", "ping", "cite")
OWN = re.compile(r"(?:/(?!/)|#|\?|http://testserver/|http://127\.0\.0\.1:\d+/)")


def foreign(page: str) -> list[str]:
    """Everything in the page that our templates do not make; nothing for a page that is in order."""
    found = []
    root = html.fromstring(page)
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag not in TAGS:
            found.append(f"<{element.tag}>")
        if element.tag == "script" and (element.text or "").strip() and not element.get("type"):
            found.append("a script in the page")
        if element.tag == "meta" and element.get("http-equiv"):
            found.append("<meta http-equiv>")
        for name, value in element.attrib.items():
            elsewhere = name in ADDRESSES and value and not OWN.match(value)
            if name.startswith("on") or name == "style" or elsewhere:
                found.append(f"{name}={value}")
    return found
