from typing import Any

from search_app import services
from search_app.management.base import SieveCommand


class Command(SieveCommand):
    help = (
        "Make the user `admin` with a random password, printed this once, if there is no superuser.\n"
        "Exit code 0 also when there is one already; nothing is printed then."
    )

    def run(self, **options: Any) -> None:
        password = services.first_admin()
        if password is not None:
            self.say(f"First admin: user admin, password {password}")
            self.say("It is shown this once. Change it at /account")
