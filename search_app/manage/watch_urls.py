"""Addresses of the pages that watch: pipelines, health, search as somebody else."""

from django.urls import path

from search_app.manage import health_page, index_page, pipelines, search_as

urlpatterns = [
    path("health", health_page.health_page, name="manage-health"),
    path("index", index_page.index_page, name="manage-index"),
    path("index/<slug:action>", index_page.act, name="manage-index-act"),
    path("search-as", search_as.search_as, name="manage-search-as"),
    path("pipelines", pipelines.listing, name="manage-pipelines"),
    path("pipelines/new", pipelines.edit, name="manage-pipeline-new"),
    path("pipelines/reindex", pipelines.reindex, name="manage-pipeline-reindex"),
    path("pipelines/of/<slug:name>", pipelines.one, name="manage-pipeline"),
    path("pipelines/of/<slug:name>/edit", pipelines.edit, name="manage-pipeline-edit"),
    path("pipelines/of/<slug:name>/activate", pipelines.activate, name="manage-pipeline-activate"),
    path("pipelines/of/<slug:name>/toml", pipelines.toml, name="manage-pipeline-toml"),
]
