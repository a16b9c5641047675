"""Whatever the client raises, as an error of ours with a sentence in it."""

from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionError,
    ConnectionTimeout,
    OpenSearchException,
    SerializationError,
    SSLError,
    TransportError,
)

from rag.index.opensearch.cluster import ClusterFailure, IndexGone

_AGAIN = (429, 502, 503, 504)
_GONE = ("index_not_found_exception", "index_closed_exception")


def failure(error: OpenSearchException) -> ClusterFailure:
    """To be raised from this error."""
    no_answer = isinstance(error, ConnectionError)
    status = error.status_code if isinstance(error, TransportError) and not no_answer else None
    kind = str(error.error) if isinstance(error, TransportError) and not no_answer else ""
    gone = status == 404 and kind in _GONE
    return (IndexGone if gone else ClusterFailure)(
        _sentence(error),
        status=status if isinstance(status, int) else None,
        kind=kind,
        passing=status in _AGAIN or (no_answer and not _untrusted(error)),
        unreadable=isinstance(error, SerializationError),
    )


def _sentence(error: OpenSearchException) -> str:
    """For a person; never with words of a document or of a question."""
    match error:
        case SSLError() if _untrusted(error):
            return "The search cluster's certificate is not trusted. Check SIEVE_OPENSEARCH_CA."
        case SSLError():
            return "No encrypted connection to the search cluster could be made."
        case ConnectionTimeout():
            return "The search cluster did not answer in time."
        case ConnectionError():
            return "The search cluster cannot be reached."
        case AuthenticationException():
            return "The search cluster refused the user name or the password."
        case AuthorizationException():
            return "The search cluster does not allow this user to do that."
        case TransportError(status_code=429):
            return "The search cluster is overloaded (429)."
        case TransportError(status_code=int(status)):
            return f"The search cluster answered {status} ({_kind(error)})."
        case _:
            return "The search cluster answered something that cannot be read."


def _untrusted(error: OpenSearchException) -> bool:
    """Whether the certificate is the reason: not signed by ours, or of another host."""
    if not isinstance(error, SSLError):
        return False
    return "CERTIFICATE_VERIFY_FAILED" in str(error.info) or "certificate verify failed" in str(error.info)


def _kind(error: TransportError) -> str:
    kind = str(error.error).split(" ", 1)[0].strip("'\"")
    return kind if kind.replace("_", "").isalnum() else type(error).__name__
