"""Google's discovery documents as a judge: which method a request is, and does a body fit.

Strict in every way in which the services are: no field that a schema does not have, int64 as
text, enums by their names, no `null`. The documents are those that google-api-python-client ships.
"""

import base64
import functools
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Json = Any
Schema = Mapping[str, Any]

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DURATION = re.compile(r"-?[0-9]+(\.[0-9]{1,9})?s", re.ASCII)
_TYPE_URL = re.compile(r"type\.googleapis\.com/(?P<name>[a-zA-Z0-9_.]+)", re.ASCII)
_BITS = {"int32": 32, "int64": 64}
_UNSIGNED = {"uint32": 32, "uint64": 64}
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of an API: its schemas by name, None where it has no body."""

    id: str
    request: str | None
    response: str | None
    parameters: Mapping[str, Schema]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    sent: bool
    sparse: bool


class Discovery:
    """One API in one version."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Schema] = document["schemas"]
        self._common: Mapping[str, Schema] = document["parameters"]
        self._routes = list(_routes(document, document["servicePath"]))

    def method(self, verb: str, path: str) -> Method | None:
        """The method that a verb and a path, as sent, mean; None when there is none."""
        for route_verb, pattern, method in self._routes:
            if route_verb == verb and pattern.fullmatch(path):
                return method
        return None

    def faults(
        self, value: Json, schema: str, *, sent: bool = False, sparse: bool = False
    ) -> list[str]:
        """What is wrong with a body.

        One that was `sent` may hold no field that is output only; a `sparse` one, as protobuf's
        JSON mapping prints it, none with its default value: empty text, false, zero, no items.
        """
        return list(self._check(value, {"$ref": schema}, "", _Rules(sent=sent, sparse=sparse)))

    def parameter_faults(self, method: Method, query: Mapping[str, list[str]]) -> list[str]:
        """What is wrong with a query: unknown names, repeated ones, values of another type."""
        faults = []
        known = {**self._common, **method.parameters}
        for name, values in query.items():
            schema = known.get(name)
            if schema is None:
                faults.append(f"query: {method.id} has no parameter {name}")
                continue
            if len(values) > 1 and not schema.get("repeated"):
                faults.append(f"query: {name} was given {len(values)} times")
            for value in values:
                faults += self._parameter(value, schema, name)
        return faults

    def fields(self, schema: str) -> frozenset[str]:
        """The names of the fields of a schema."""
        return frozenset(self._schemas[schema].get("properties", {}))

    def without(self, value: Json, schema: str, fields: Mapping[str, frozenset[str]]) -> Json:
        """A body without some fields of some schemas, wherever in it they are."""
        return self._kept(value, {"$ref": schema}, fields)

    def _kept(self, value: Json, schema: Schema, dropped: Mapping[str, frozenset[str]]) -> Json:
        schema = self._schemas[schema["$ref"]] if "$ref" in schema else schema
        if isinstance(value, list) and "items" in schema:
            return [self._kept(item, schema["items"], dropped) for item in value]
        if not isinstance(value, dict) or "properties" not in schema:
            return value
        unwanted = dropped.get(schema["id"], frozenset())
        properties = schema["properties"]
        return {
            name: self._kept(item, properties.get(name, {}), dropped)
            for name, item in value.items()
            if name not in unwanted
        }

    def _parameter(self, value: str, schema: Schema, name: str) -> list[str]:
        if schema["type"] == "integer" and not _in_range(value, schema.get("format", "int32")):
            return [f"query: {name} is {value!r}, not an integer"]
        if schema["type"] == "boolean" and value not in ("true", "false"):
            return [f"query: {name} is {value!r}, not a boolean"]
        if schema["type"] == "string" and "enum" in schema and value not in schema["enum"]:
            return [f"query: {name} has no value {value!r}"]
        return []

    def _check(self, value: Json, schema: Schema, path: str, rules: "_Rules") -> Iterator[str]:
        if value is None:
            yield f"{path or 'body'}: null"
            return
        if rules.sent and schema.get("readOnly"):
            yield f"{path}: is output only"
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        match schema["type"]:
            case "object":
                yield from self._check_object(value, schema, path, rules)
            case "array":
                if not isinstance(value, list):
                    yield _misfit(value, "a list", path)
                    return
                for at, item in enumerate(value):
                    yield from self._check(item, schema["items"], f"{path}[{at}]", rules)
            case "any":
                return
            case kind:
                yield from _check_scalar(value, kind, schema, path)

    def _check_object(
        self, value: Json, schema: Schema, path: str, rules: "_Rules"
    ) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _misfit(value, "an object", path)
            return
        if "@type" in value:
            yield from self._check_any(value, path, rules)
            return
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if name in properties:
                if rules.sparse and _is_default(item, properties[name]):
                    yield f"{inner}: {item!r} is a default and left out"
                yield from self._check(item, properties[name], inner, rules)
            elif rest is not None:
                yield from self._check(item, rest, inner, rules)
            else:
                yield f"{inner}: unknown field of {schema.get('id', 'this object')}"

    def _check_any(self, value: dict[str, Json], path: str, rules: "_Rules") -> Iterator[str]:
        """A `google.protobuf.Any`, judged by its own schema where the document has it.

        Schemas that appear in no signature, as those of operations' metadata, are left out of
        discovery documents; the proto referee judges them.
        """
        match = _TYPE_URL.fullmatch(str(value["@type"]))
        if match is None:
            yield f"{path}.@type: {value['@type']!r} is no type"
            return
        words = match["name"].split(".")
        schema = self._schemas.get("".join(word[0].upper() + word[1:] for word in words))
        if schema is not None:
            fields = {name: item for name, item in value.items() if name != "@type"}
            yield from self._check_object(fields, schema, path, rules)


@functools.cache
def vertex(version: str) -> Discovery:
    """The Vertex AI API in `v1` or `v1beta1`."""
    return _read(f"aiplatform.{version}")


@functools.cache
def storage() -> Discovery:
    """The Cloud Storage JSON API."""
    return _read("storage.v1")


def _read(name: str) -> Discovery:
    folder = importlib.resources.files("googleapiclient") / "discovery_cache" / "documents"
    return Discovery(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def _routes(node: Mapping[str, Any], service: str) -> Iterator[tuple[str, re.Pattern[str], Method]]:
    for value in node.get("methods", {}).values():
        method = Method(
            id=value["id"],
            request=value.get("request", {}).get("$ref"),
            response=value.get("response", {}).get("$ref"),
            parameters={
                name: schema
                for name, schema in value.get("parameters", {}).items()
                if schema["location"] == "query"
            },
        )
        paths = [f"/{service}{value.get('flatPath', value['path'])}"]
        protocols = value.get("mediaUpload", {}).get("protocols", {})
        paths += [protocol["path"] for protocol in protocols.values()]
        if value.get("supportsMediaDownload"):
            paths.append(f"/download{paths[0]}")
        for path in paths:
            segments = (re.escape(text) for text in re.split(r"\{[^}]+\}", path))
            yield value["httpMethod"], re.compile("[^/:]+".join(segments)), method
    for inner in node.get("resources", {}).values():
        yield from _routes(inner, service)


def _is_default(value: Json, schema: Schema) -> bool:
    if value == "0":
        return schema.get("format") in ("int64", "uint64")
    return value is False or value in ("", 0) or value == []


def _check_scalar(value: Json, kind: str, schema: Schema, path: str) -> Iterator[str]:
    form = schema.get("format")
    if kind == "string":
        if not isinstance(value, str):
            yield _misfit(value, form or "text", path)
        elif "enum" in schema and value not in schema["enum"]:
            yield _misfit(value, "one of its enum", path)
        elif not _FORMATS.get(form, lambda _: True)(value):
            yield _misfit(value, str(form), path)
    elif kind == "boolean" and not isinstance(value, bool):
        yield _misfit(value, "a boolean", path)
    elif kind == "integer":
        if not isinstance(value, int) or isinstance(value, bool) or not _in_range(str(value), form):
            yield _misfit(value, str(form), path)
    elif kind == "number":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number and value not in _NO_NUMBERS:
            yield _misfit(value, str(form), path)


def _in_range(text: str, form: str | None) -> bool:
    if not _INTEGER.fullmatch(text):
        return False
    if form in _UNSIGNED:
        return 0 <= int(text) < 2 ** _UNSIGNED[form]
    limit = 2 ** (_BITS[form or "int32"] - 1)
    return -limit <= int(text) < limit


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None and "T" in text
    except ValueError:
        return False


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


_FORMATS = {
    "int64": lambda text: _in_range(text, "int64"),
    "uint64": lambda text: _in_range(text, "uint64"),
    "google-datetime": _is_time,
    "date-time": _is_time,
    "google-duration": lambda text: _DURATION.fullmatch(text) is not None,
    "byte": _is_base64,
}


def _misfit(value: Json, wanted: str, path: str) -> str:
    return f"{path or 'body'}: {json.dumps(value)[:80]} is not {wanted}"
