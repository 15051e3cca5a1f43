from django.urls import path

from web import views

urlpatterns = [
    path("login/", views.log_in),
    path("profile/", views.profile),
]
