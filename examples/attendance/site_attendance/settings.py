"""Settings of the example. What concerns encryption is ATREST, and one line of INSTALLED_APPS."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(os.environ.get("ATTENDANCE_FOLDER", Path(__file__).parent.parent))
SECRET_KEY = os.environ.get("SECRET_KEY", "an example, served on loopback only")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "site_attendance.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["atrest.django", "attendance"]
#: Who may call the API: a bearer token.
API_TOKEN = os.environ.get("ATTENDANCE_TOKEN", "")

#: The key comes from the variable that the deployment sets; the old one, if there is one,
#: only decrypts. Templates are shared with Fernet software, hence the suite.
ATREST = {
    "KEYS": ["env:BIOMETRIC_ENCRYPTION_KEY"]
    + (["env:BIOMETRIC_ENCRYPTION_KEY_BACKUP"] if os.environ.get("BIOMETRIC_ENCRYPTION_KEY_BACKUP") else []),
    "SUITE": "fernet",
    # Only while rows are being encrypted or decrypted.
    "ALLOW_PLAINTEXT": os.environ.get("ATTENDANCE_MIXED") == "yes",
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


DATABASES = {"default": database(os.environ.get("DATABASE_URL", f"sqlite:{BASE_DIR}/attendance.db"))}
