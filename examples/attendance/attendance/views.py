"""Clock-in, clock-out and history, for whoever has the token."""

import base64
import binascii
import hmac
import json

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from attendance import faces
from attendance.models import PeopleEventlog


def refused(request: HttpRequest) -> JsonResponse | None:
    """A response for whoever may not, else None."""
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.API_TOKEN}"
    if settings.API_TOKEN and hmac.compare_digest(given.encode(), wanted.encode()):
        return None
    return JsonResponse({"error": "a bearer token is needed"}, status=401)


@csrf_exempt
def clock(request: HttpRequest, kind: str) -> JsonResponse:
    """Position and face image in, verification status out."""
    if (response := refused(request)) is not None:
        return response
    try:
        body = json.loads(request.body)
        person, lat, lng = int(body["person"]), float(body["lat"]), float(body["lng"])
        template = faces.template(base64.b64decode(body["face_image"], validate=True))
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        return JsonResponse({"error": f"person, lat, lng and face_image (base64) are needed: {error}"}, status=400)
    known = PeopleEventlog.objects.filter(person=person, peventlogextras__isnull=False).order_by("pk").first()
    verified = known is None or faces.same(known.peventlogextras["template"], template)
    event = PeopleEventlog.objects.create(
        person=person,
        kind=kind,
        latitude=lat,
        longitude=lng,
        verified=verified,
        peventlogextras={"template": template, "first": known is None},
    )
    return JsonResponse({"event": event.pk, "verified": verified})


def history(request: HttpRequest, person: int) -> JsonResponse:
    """A person's events, without their templates."""
    if (response := refused(request)) is not None:
        return response
    events = PeopleEventlog.objects.filter(person=person).order_by("pk").defer("peventlogextras")
    return JsonResponse(
        {"events": [{"event": e.pk, "kind": e.kind, "at": e.at.isoformat(), "verified": e.verified} for e in events]}
    )
