"""The table as it was: templates in clear."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "PeopleEventlog",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", models.IntegerField()),
                ("kind", models.CharField(choices=[("in", "clock in"), ("out", "clock out")], max_length=3)),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("latitude", models.FloatField()),
                ("longitude", models.FloatField()),
                ("verified", models.BooleanField(default=False)),
                ("peventlogextras", models.JSONField(null=True)),
            ],
            options={"db_table": "peopleeventlog"},
        )
    ]
