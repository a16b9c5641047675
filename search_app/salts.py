"""What keeps apart that which a language model's server remembers of prompts.

A server that has read a prompt before answers sooner: by its haste one asker could learn what another one
was shown. So every prompt goes out with a salt, and a server shares what it remembers only among equal ones.
Equal are those of one person, or one browser, who asks in the same collections: what they were shown before
they may read now. The salt is made with this installation's secret key and stands in no trace.
"""

import json
import uuid
from collections.abc import Sequence

from django.utils.crypto import salted_hmac

from search_app.access import Viewer


def salt_of(viewer: Viewer, collections: Sequence[str]) -> str:
    """For somebody who has no name it is another one each time."""
    who = viewer.who or f"once:{uuid.uuid4().hex}"
    asked = json.dumps([who, sorted(collections)])
    return salted_hmac("sieve.prompts", asked, algorithm="sha256").hexdigest()
