"""``Upload-Metadata`` of the tus protocol 1.0: the parameters of an import, in a header field."""

import base64
import binascii

from ...errors.params import ParamsError, shown
from .json_body import parse_json
from .limits import ParamLimits
from .nested import Params, store

_JSON = ("metadata", "metadatas")
"""Parameters that are objects: JSON text, since a header field has no other form for them."""


class UploadMetadataInvalid(ParamsError):
    """The field does not follow the protocol: pairs of a name and base64 text, separated by commas."""

    code = "upload_metadata_invalid"


def parse_upload_metadata(value: str, limits: ParamLimits) -> Params:
    """Read the field.

    Args:
        value: of the header field; empty for no parameters.
        limits: see ``ParamLimits``.

    Raises:
        UploadMetadataInvalid: it is malformed, names something twice, unless it is a list ``name[]``, or a value is not
            UTF-8.
        ParamsError: see ``nested.store`` and ``parse_json``.
    """
    params: Params = {}
    names: set[str] = set()
    for count, pair in enumerate(value.split(",") if value.strip() else ()):
        name, _, encoded = pair.strip(" ").partition(" ")
        is_known = name in names and not name.endswith("[]")  # the protocol has no lists
        if not name or is_known or count >= limits.pairs:
            raise UploadMetadataInvalid("The field Upload-Metadata has an empty name, one name twice, or too many.")
        names.add(name)
        text = _decoded(name, encoded)
        if name in _JSON:
            params[name] = parse_json(text.encode(), limits)
        else:
            store(params, name, text, limits)
    return params


def _decoded(name: str, encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        detail = f"The value of '{shown(name)}' in the field Upload-Metadata is not UTF-8 in base64."
        raise UploadMetadataInvalid(detail, parameter=name) from error
