"""System checks of the admin: searches, filters and orderings that would raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core import checks

from atrest.django.model_checks import encrypted_at, names, unordered

#: Django makes no link then, and still sorts by what an address names.
OR_ELSE = ", or name the columns to sort by in sortable_by: an address that somebody types (?o=2) still raises then."


def check_admin(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """Options of ModelAdmins and their inlines that name an encrypted field."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.sites import all_sites

    return [found for site in all_sites for admin in site._registry.values() for found in _of(admin)]


def _of(admin: Any) -> Iterator[checks.CheckMessage]:
    for option, entries in (
        ("search_fields", [_searched(entry) for entry in admin.search_fields or ()]),
        # A filter may be (field, class of filter), or a class.
        ("list_filter", [e[0] if isinstance(e, (tuple, list)) else e for e in admin.list_filter or ()]),
        ("ordering", admin.ordering or ()),
        ("date_hierarchy", [admin.date_hierarchy or ""]),
    ):
        yield from _named(admin, option, entries)
    for inline in admin.inlines:
        yield from _named(inline, "ordering", inline.ordering or ())
    yield from _sortable(admin)


def _sortable(admin: Any) -> Iterator[checks.CheckMessage]:
    sortable = admin.sortable_by
    for column in admin.list_display:
        if sortable is not None and column not in sortable:
            continue
        if isinstance(column, str) and encrypted_at(admin.model, column):
            shown = f"the encrypted field {column!r}"
            hint = f"Show it by a method of the admin that returns it{OR_ELSE}"
        elif any(encrypted_at(admin.model, name) for name in names(_order_of(admin, column))):
            shown = f"{getattr(column, '__name__', column)!r}, which orders by an encrypted field"
            hint = f"Take that ordering out of its @admin.display{OR_ELSE}"
        else:
            continue
        yield checks.Warning(
            f"list_display shows {shown}, and a click on its heading raises: the database cannot sort by it.",
            hint=hint,
            obj=type(admin),
            id="atrest.W014",
        )


def _order_of(admin: Any, column: Any) -> Any:
    """What a column of list_display that is no field is ordered by: `@admin.display(ordering=...)`."""
    shown = column
    if isinstance(column, str):
        shown = getattr(admin, column, None) or getattr(admin.model, column, None)
    return getattr(getattr(shown, "fget", shown), "admin_order_field", None)


def _named(admin: Any, option: str, entries: Any) -> Iterator[checks.CheckMessage]:
    for name in (n for entry in entries for n in names(entry)):
        if encrypted_at(admin.model, name):
            yield unordered(admin if isinstance(admin, type) else type(admin), option, name)


def _searched(entry: str) -> str:
    return entry[1:] if entry[:1] in ("^", "=", "@") else entry
