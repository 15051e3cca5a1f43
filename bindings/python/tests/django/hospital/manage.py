"""A project that goes from clear fields to encrypted ones and back: WARD is clear, mixed or sealed."""

import os
import sys

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "hospital_settings"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
