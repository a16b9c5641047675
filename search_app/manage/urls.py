"""Addresses below /manage/."""

from django.urls import path

from search_app.manage import overview

urlpatterns = [
    path("", overview.overview, name="manage"),
]
