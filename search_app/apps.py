from django.apps import AppConfig


class SearchAppConfig(AppConfig):
    name = "search_app"
    verbose_name = "Sieve"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from search_app import checks, removals  # noqa: F401 - registers them; notes every deleted document
