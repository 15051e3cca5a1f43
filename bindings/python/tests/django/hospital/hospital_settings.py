import json
import os
from pathlib import Path

try:
    import MySQLdb  # noqa: F401
except ModuleNotFoundError:
    import pymysql

    pymysql.install_as_MySQLdb()

BASE_DIR = Path(os.environ["WARD_FOLDER"])
SECRET_KEY = "tests"
USE_TZ = True
TIME_ZONE = "America/St_Johns"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["atrest.django", "ward"]
DATABASES = {"default": json.loads(os.environ["WARD_DATABASE"])}
MIGRATION_MODULES = {"ward": "ward_migrations"}
ATREST = {"KEYS": "env:WARD_KEY"}
