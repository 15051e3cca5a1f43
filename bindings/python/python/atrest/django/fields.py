"""The encrypted fields: Django's own, with their values sealed in a text column.

Everything that concerns the clear value is inherited (forms, validation, `max_length`,
choices, serialization); what concerns the column is in `EncryptedField`.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, models
from django.utils.functional import cached_property

import atrest
from atrest.django import conf, own
from atrest.django.codecs import BYTES, Codec
from atrest.django.column import Column
from atrest.django.expressions import EncryptedCol, NullTest
from atrest.django.lookups import OnlyNull, OnlyNullCaseless, check_expression, refuse_lookup
from atrest.django.unreadable import Unreadable, raise_for

#: The arguments that encryption adds to a field's own.
OPTIONS = ("context", "suite", "allow_plaintext")


class EncryptedField:
    """A mix-in that goes before a field class of Django.

    context          what values are bound to; default "db_table.column". Name today's
                     before you rename the table or column: values open under it only.
    suite            default ATREST["SUITE"], else "xaes-256-gcm".
    allow_plaintext  also read values that are still in clear: for the migration only.
    """

    non_db_attrs = (*models.Field.non_db_attrs, *OPTIONS)

    def __init__(
        self,
        *args: Any,
        context: str | None = None,
        suite: str | None = None,
        allow_plaintext: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if suite is not None and suite not in conf.SUITES:
            raise ImproperlyConfigured(f"{suite!r} is no suite; known are {', '.join(conf.SUITES)}")
        # Not `context`: that is a DecimalField's own arithmetic context.
        self.token_context, self.suite, self.allow_plaintext = context, suite, allow_plaintext
        super().__init__(*args, **kwargs)
        _ = self.column_class  # raises where there is none

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.from_db_value is not EncryptedField.from_db_value:
            raise ImproperlyConfigured(
                f"{cls.__name__}.from_db_value() would not be called: values are opened before it. Give it to a "
                f"field class that is not encrypted, and encrypt() that"
            )
        if hasattr(cls, "get_placeholder_sql") and not issubclass(cls, models.BinaryField):
            cls.get_placeholder_sql = _plain_placeholder  # not `%s::varchar[]`

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        options = zip(OPTIONS, (self.token_context, self.suite, self.allow_plaintext))
        kwargs |= {option: value for option, value in options if value is not None}
        return name, path.replace("atrest.django.fields.", "atrest.django."), args, kwargs

    def contribute_to_class(self, cls: type[models.Model], name: str, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, **kwargs)
        for cached in ("column_values", "column_id", "clear_twin"):
            self.__dict__.pop(cached, None)

    def check(self, **kwargs: Any) -> list[Any]:
        from atrest.django.model_checks import check_field

        return [*super().check(**kwargs), *check_field(self)]

    # --- what it is without encryption ----------------------------------------------------

    @cached_property
    def clear_class(self) -> type[models.Field]:
        """The class of Django's (or the application's) that this one encrypts."""
        return next(c for c in type(self).__mro__ if not issubclass(c, EncryptedField))

    def clear_field(self) -> models.Field:
        """The same field, not encrypted and of no model."""
        _, _, args, kwargs = self.deconstruct()
        return self.clear_class(*args, **{k: v for k, v in kwargs.items() if k not in OPTIONS})

    @cached_property
    def clear_twin(self) -> models.Field:
        """The same with this field's name and model, which its conversions may ask for."""
        twin = self.clear_field()
        twin.set_attributes_from_name(self.name)
        twin.model = self.model
        return twin

    @cached_property
    def converts_itself(self) -> bool:
        """Whether the class converts values in its own way, which then holds: see `own`."""
        return own.converts_itself(self.clear_class)

    # --- the column ----------------------------------------------------------------------

    @cached_property
    def column_class(self) -> type[models.Field]:
        """Django's class that has the clear field's column."""
        return own.column_class(self.clear_class, self)

    @property
    def codec(self) -> Codec:
        """The canonical text of that column's values."""
        return own.codec_of(self.column_class)

    def get_internal_type(self) -> str:
        return "BinaryField" if self.codec is BYTES else "TextField"

    def db_type(self, connection: Any) -> str | None:
        # SQLite keeps 15 digits of a float that it turns into text. A column of floats
        # holds tokens as well, so it stays one.
        if connection.vendor == "sqlite" and self.column_class is models.FloatField:
            return connection.data_types["FloatField"]
        return models.Field.db_type(self, connection)  # not a class's own, which is the clear column's

    def cast_db_type(self, connection: Any) -> str | None:
        return models.Field.cast_db_type(self, connection)

    def db_check(self, connection: Any) -> None:
        """Nothing that the database could check."""

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        return {**super().db_parameters(connection), "type": self.db_type(connection), "check": None}

    @cached_property
    def column_id(self) -> str:
        """`table.column`, as commands and reports name it."""
        if getattr(self, "model", None) is None:
            raise ImproperlyConfigured(
                f"{type(self).__name__} is not a field of a model (inside an ArrayField, perhaps), "
                f"so its values are bound to no column; encrypt the whole: encrypt(ArrayField(...))"
            )
        return f"{self.model._meta.db_table}.{self.column}"

    @property
    def column_context(self) -> str:
        return self.token_context or self.column_id

    @property
    def column_suite(self) -> str:
        return self.suite or conf.suite()

    @property
    def reads_plaintext(self) -> bool:
        allowed = self.allow_plaintext
        return conf.get("ALLOW_PLAINTEXT") if allowed is None else allowed

    @cached_property
    def column_values(self) -> Column:
        return Column(self)

    # --- reading -------------------------------------------------------------------------

    def get_db_converters(self, connection: Any) -> list[Any]:
        """One function for the rows of a query. It returns an Unreadable for what does not open."""
        column, codec_read, of = self.column_values, self.codec.read, self
        if self.converts_itself:
            codec_read, of = own.from_text, self.clear_twin
        read = column.reader()
        if codec_read is None:

            def convert(stored: Any, expression: Any, connection: Any) -> Any:
                try:
                    return read(stored)
                except (atrest.DecryptionError, TypeError):
                    return column.reread(stored)

            return [convert]

        def convert_typed(stored: Any, expression: Any, connection: Any) -> Any:
            if stored is None:
                return None
            try:
                clear = read(stored)
            except (atrest.DecryptionError, TypeError):
                clear = column.reread(stored)
                if type(clear) is Unreadable:
                    return clear
            try:
                return codec_read(of, clear, connection)
            except (ValueError, ArithmeticError):
                kind = self.clear_class.__name__
                return Unreadable(atrest.DecryptionError(f"it opens, and is no value of a {kind}"), self)

        return [self._converted(convert_typed, of, connection) if self.converts_itself else convert_typed]

    def _converted(self, convert: Any, clear: models.Field, connection: Any) -> Any:
        """The same, with what the clear field does to what comes from the database; to NULL, too."""
        converters = clear.get_db_converters(connection)

        def convert_own(stored: Any, expression: Any, connection: Any) -> Any:
            value = convert(stored, expression, connection)
            if type(value) is Unreadable:
                return value
            for converter in converters:
                value = converter(value, expression, connection)
            return value

        return convert_own

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """One value; queries take get_db_converters."""
        return self.get_db_converters(connection)[0](value, expression, connection)

    # --- writing -------------------------------------------------------------------------

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if type(value) is Unreadable:
            raise_for(value)
        clear = self._clear_text(value, connection, prepared)
        if clear is None:
            return None
        if self.limits_length and len(clear) > self.max_length:
            raise DataError(f"{self} takes at most {self.max_length} characters, and got {len(clear)}")
        stored = self.column_values.seal(clear)
        return connection.Database.Binary(stored) if self.codec is BYTES else stored

    def _clear_text(self, value: Any, connection: Any, prepared: bool) -> Any:
        """What is sealed for a value; None for NULL."""
        if self.converts_itself:
            return own.sent(self.clear_twin, value, connection, prepared)
        if not prepared and value is not None:
            value = self.get_prep_value(value)
        return None if value is None else self.codec.write(self, value, connection)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if type(value) is not Unreadable and hasattr(value, "as_sql"):
            check_expression(self, value)
            return value
        return self.get_db_prep_value(value, connection)

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        # The one place that sees the expressions of update().
        if hasattr(value, "as_sql"):
            check_expression(self, value)
            return "%s"
        placeholder = getattr(super(), "get_placeholder", None) if self.codec is BYTES else None
        return placeholder(value, compiler, connection) if placeholder else "%s"

    @cached_property
    def limits_length(self) -> bool:
        """Whether the clear column would refuse what is longer than max_length."""
        return self.max_length is not None and self.column_class is models.CharField

    # --- in queries ----------------------------------------------------------------------

    def get_col(self, alias: str | None, output_field: Any = None) -> EncryptedCol:
        if alias == self.model._meta.db_table and output_field in (None, self):
            return self.cached_col
        return EncryptedCol(alias, self, output_field)

    @cached_property
    def cached_col(self) -> EncryptedCol:
        return EncryptedCol(self.model._meta.db_table, self)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return NullTest
        if lookup_name in ("exact", "iexact"):
            return OnlyNull if lookup_name == "exact" else OnlyNullCaseless
        refuse_lookup(self, lookup_name)

    def get_transform(self, lookup_name: str) -> Any:
        refuse_lookup(self, lookup_name)


def _plain_placeholder(self: Any, value: Any, compiler: Any, connection: Any) -> tuple[str, tuple[Any]]:
    """Since Django 6.1; only for a class whose clear form has one."""
    if hasattr(value, "as_sql"):
        return compiler.compile(value)
    return "%s", (value,)


class EncryptedTextField(EncryptedField, models.TextField):
    """Text of any length."""


class EncryptedCharField(EncryptedField, models.CharField):
    """Text of at most `max_length` characters, counted in the clear value."""


class EncryptedEmailField(EncryptedField, models.EmailField):
    """An e-mail address."""


class EncryptedJSONField(EncryptedField, models.JSONField):
    """What JSON can hold. Nothing inside can be looked up."""


class EncryptedIntegerField(EncryptedField, models.IntegerField):
    """A whole number of 32 bits; for others encrypt(BigIntegerField())."""

    @cached_property
    def validators(self) -> list[Any]:
        return self.clear_field().validators


class EncryptedFloatField(EncryptedField, models.FloatField):
    """A double."""


class EncryptedDecimalField(EncryptedField, models.DecimalField):
    """A decimal with `max_digits` and `decimal_places`."""


class EncryptedDateField(EncryptedField, models.DateField):
    """A date."""


class EncryptedDateTimeField(EncryptedField, models.DateTimeField):
    """A moment; time zones as in Django's own."""


class EncryptedBooleanField(EncryptedField, models.BooleanField):
    """True or false."""


class EncryptedBinaryField(EncryptedField, models.BinaryField):
    """Bytes, in a binary column."""


class EncryptedUUIDField(EncryptedField, models.UUIDField):
    """A UUID."""
