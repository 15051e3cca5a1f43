from django.urls import path

from attendance import views

urlpatterns = [
    path("api/v1/attendance/clock-in/", views.clock, {"kind": "in"}),
    path("api/v1/attendance/clock-out/", views.clock, {"kind": "out"}),
    path("api/v1/attendance/history/<int:person>/", views.history),
]
