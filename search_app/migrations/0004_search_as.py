import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("search_app", "0003_key_limited"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="tracerecord",
            options={
                "ordering": ["-created"],
                "permissions": [("search_as", "Can search with the rights of another user")],
            },
        ),
        migrations.AddField(
            model_name="tracerecord",
            name="as_user",
            field=models.ForeignKey(
                blank=True,
                help_text="With whose rights it was asked, where these were not the asker's own.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
