"""E-mail: the subject is the title, the header and the body are the text, attachments follow."""

from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import collapse_rfc2231_value

from rag.errors import ParseError
from rag.parse import html, mail
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode

SUFFIXES = (".eml",)
_ENCRYPTED = frozenset(("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


def parse(data: bytes, name: str) -> ParsedDocument:
    if data.startswith(_MARKS) or b"\0" in data[:64]:
        data = decode(data).encode("utf-8")
    message = message_from_bytes(data.lstrip(), policy=policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise ParseError("The file is not an e-mail: it has no header.")
    subject = _field(message, "subject")
    composer = Composer()
    mail.begin(
        composer,
        subject,
        {key: _field(message, key) for key in ("from", "to", "cc", "date")},
    )
    if message.get_content_type() in _ENCRYPTED:
        raise ParseError("The e-mail is encrypted. Save it decrypted and upload that.")
    text, attachments = _contents(message)
    for kind, part in text:
        _body(composer, kind, part)
    skipped = mail.attach(composer, attachments)
    if not text and not attachments and not subject:
        raise ParseError("The e-mail has no text in it.")
    return composer.finish(
        name,
        title=subject,
        metadata={"author": _field(message, "from"), "date": _field(message, "date"), "skipped": skipped},
    )


def _contents(
    message: EmailMessage,
) -> tuple[list[tuple[str, EmailMessage]], list[tuple[str, bytes]]]:
    """(bodies with their kind, attachments with their bytes); of alternatives the plain one is taken."""
    texts: list[tuple[str, EmailMessage]] = []
    attachments: list[tuple[str, bytes]] = []
    stack: list[EmailMessage] = [message]
    while stack:
        part = stack.pop()
        kind = part.get_content_type()
        if part.get_content_maintype() == "multipart":
            inner = [each for each in part.iter_parts() if isinstance(each, EmailMessage)]
            if kind == "multipart/alternative":
                plain = [p for p in inner if p.get_content_type() == "text/plain" and _text(p).strip()]
                inner = plain[:1] or inner[-1:]
            stack.extend(reversed(inner))
        elif kind == "message/rfc822":
            attachments += [(_name(part) or "message.eml", bytes(p)) for p in part.iter_parts()]
        elif part.is_attachment() or kind not in ("text/plain", "text/html"):
            if _name(part):
                attachments.append((_name(part), _payload(part)))
        else:
            texts.append((kind, part))
    return texts, attachments


def _body(composer: Composer, kind: str, part: EmailMessage) -> None:
    text = _text(part)
    if kind == "text/html" and text.strip():
        html.walk(html.tree(text), composer)
    else:
        composer.paragraph(text)


def _text(part: EmailMessage) -> str:
    return decode(_payload(part), declared=part.get_content_charset()) if _payload(part) else ""


def _payload(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _name(part: EmailMessage) -> str:
    try:
        return collapse_rfc2231_value(part.get_filename() or "")
    except (MessageError, ValueError, AttributeError):
        return ""


def _field(message: EmailMessage, key: str) -> str:
    """A header field; fields that break the rules are read as they stand."""
    try:
        return str(message[key] or "")
    except (MessageError, ValueError, IndexError, AttributeError, TypeError):
        raw = next((value for name, value in message.raw_items() if name.lower() == key), "")
        return str(raw)
