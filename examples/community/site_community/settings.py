"""Settings of the example. What concerns encryption is the key, ATREST, and one line of INSTALLED_APPS."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(os.environ.get("COMMUNITY_FOLDER", Path(__file__).parent.parent))
SECRET_KEY = os.environ.get("SECRET_KEY", "an example, served on loopback only")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
ROOT_URLCONF = "site_community.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
LOGIN_URL = "/login/"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "atrest.django",
    "web",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

#: One key, or a list of them (the first encrypts), also as pasted from a Python prompt.
MESSAGE_ENCRYPTION_KEY = [key for key in os.environ.get("MESSAGE_ENCRYPTION_KEY", "").split(",") if key]
ATREST = {
    # After the schema is changed, clear values stay readable until all are encrypted.
    "ALLOW_PLAINTEXT": os.environ.get("COMMUNITY_MIXED") == "yes",
}


if os.environ.get("DATABASE_URL", "").startswith("mysql:"):
    try:
        import MySQLdb  # noqa: F401
    except ModuleNotFoundError:
        import pymysql  # in its place

        pymysql.install_as_MySQLdb()


def database(url: str) -> dict:
    """postgres://, mysql:// or sqlite:path."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.partition(":")[2]}
    engine = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql"}[parts.scheme]
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": parts.path.strip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": {"charset": "utf8mb4"} if engine == "mysql" else {},
    }


DATABASES = {"default": database(os.environ.get("DATABASE_URL", f"sqlite:{BASE_DIR}/community.db"))}
