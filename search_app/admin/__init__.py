"""The Django admin: the rows as tables and forms. What is done often has its own page below /manage/."""

from django.contrib import admin

from search_app.admin import library, people, records

admin.site.site_header = admin.site.site_title = "Sieve"
admin.site.index_title = "Tables"
admin.site.site_url = "/manage/"

__all__ = ["library", "people", "records"]
