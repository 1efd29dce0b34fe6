"""The forms in which a recording may hold what a live client sends."""

from __future__ import annotations

from collections.abc import Sequence

from mcptap.model import Json
from mcptap.redaction.known import Known
from mcptap.redaction.redactor import Redactor


class LiveForms:
    """Redacts what one live client session sends, as its recording was redacted.

    Args:
        redactors: Those of the cassettes that are replayed; ``None`` for one without redaction.
    """

    def __init__(self, redactors: Sequence[Redactor | None]) -> None:
        self._known = [(redactor, Known()) for redactor in redactors or (None,)]

    def of(self, value: Json | None) -> list[Json | None]:
        """Every form that ``value`` may have been recorded in, the likeliest first; there is one at least.

        What the session has shown before may have been recognised in it, or not, as the order was when
        it was recorded. No form is that of another value.
        """
        if value is None:
            return [None]
        forms: list[Json | None] = []
        for redactor, known in self._known:
            if redactor is None:
                forms.append(value)
                continue
            shown = known.count
            forms.append(redactor.value(value, known))
            if shown:
                forms.append(redactor.value(value))
        return forms
