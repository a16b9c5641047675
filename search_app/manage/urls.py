"""Addresses below /manage/."""

from django.urls import include, path

from search_app.manage import collections, documents, keys, overview, upload

urlpatterns = [
    path("", overview.overview, name="manage"),
    path("upload", upload.upload, name="manage-upload"),
    path("upload/file", upload.upload_file, name="manage-upload-file"),
    path("upload/collection", upload.upload_collection, name="manage-upload-collection"),
    path("documents", documents.documents, name="manage-documents"),
    path("documents/states", documents.states, name="manage-states"),
    path("documents/change", documents.change, name="manage-change"),
    path("collections", collections.collections, name="manage-collections"),
    path("collections/new", collections.collection_new, name="manage-collection-new"),
    path("collections/<slug:name>/", collections.collection, name="manage-collection"),
    path("collections/<slug:name>/reindex", collections.collection_reindex, name="manage-reindex"),
    path("collections/<slug:name>/delete", collections.collection_delete, name="manage-collection-delete"),
    path("keys", keys.all_keys, name="manage-keys"),
    path("keys/<int:key_id>/revoke", keys.revoke, name="manage-key-revoke"),
    path("", include("search_app.manage.watch_urls")),
]
