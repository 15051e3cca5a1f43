"""Logging in, and one's own profile."""

from django.contrib.auth import authenticate, login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse


def log_in(request: HttpRequest) -> JsonResponse:
    """By user name and password, which stay as they are."""
    user = authenticate(request, username=request.POST.get("username"), password=request.POST.get("password"))
    if user is None:
        return JsonResponse({"error": "unknown name or wrong password"}, status=403)
    login(request, user)
    return JsonResponse({"welcome": user.get_short_name()})


@login_required
def profile(request: HttpRequest) -> JsonResponse:
    """Shows the profile; a POST changes what it names."""
    user, own = request.user, request.user.profile
    if request.method == "POST":
        user.email = request.POST.get("email", user.email)
        user.save()
        own.bio = request.POST.get("bio", own.bio)
        own.save()
    return JsonResponse(
        {"name": user.get_full_name(), "email": user.email, "discord": own.discord_username, "bio": own.bio}
    )
