from django.contrib import admin

from clinic.models import Patient


@admin.register(Patient)
class PatientAdmin(admin.ModelAdmin):
    list_display = ["name", "email", "born"]
    sortable_by = ["name"]
