"""XML by the standard library, without what a file could do harm with."""

from __future__ import annotations

from xml.etree import ElementTree

from calib.errors import UserError


def parse_xml(text: str, name: str) -> ElementTree.Element:
    """The root. UserError where it breaks or declares entities, which may grow without bound."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{name} declares XML entities, which a calibration does not need; export it anew")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{name} is no valid XML ({error}); is the file cut short?") from None
