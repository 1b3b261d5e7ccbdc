"""Narrows the shapes of botocore's models to the response fields that a scan reads.

In names, *answer* means AWS's response, and *shape* is botocore's word for the model of a structure, list or value.
botocore builds Python objects for every field that its model has, and skips fields that the model lacks. An EC2
instance has over a hundred fields, and a scan reads a third of them. Building the others was most of a scan's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.answer_fields import fields_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.aws.answer_fields import AnswerFields

_ShapeModel = dict[str, Any]


def narrowed_shapes(
    model: Mapping[str, Any], operation: str, fields: AnswerFields, paging: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the narrowed copies of the shapes in an operation's response, by the names of the copies.

    Args:
        model: botocore's model of the service.
        operation: The operation's name, which is part of the names of the copies (see :func:`narrowed_shape_name`).
        fields: The fields that are read. This function adds the fields that a paginator reads.
        paging: botocore's pagination rules for the operation, empty if there are none.
    """
    rules = (paging.get(name, ()) for name in ("output_token", "more_results"))
    paging_selectors = [text for rule in rules for text in ([rule] if isinstance(rule, str) else rule)]
    return _AnswerNarrowing(model["shapes"], operation, fields | fields_read(paging_selectors)).narrow_answer(
        model["operations"][operation]
    )


def narrowed_shape_name(shape: str, operation: str) -> str:
    """Return the name of the copy of a shape that is narrowed for one operation."""
    return f"{shape}Of{operation}"


class _AnswerNarrowing:
    def __init__(self, shapes: Mapping[str, _ShapeModel], operation: str, fields: AnswerFields) -> None:
        self._shapes = shapes
        self._operation = operation
        self._answer_fields = fields
        self._narrowed: dict[str, _ShapeModel] = {}

    def narrow_answer(self, operation: Mapping[str, Any]) -> dict[str, _ShapeModel]:
        """Narrow what is in the members of a response; keep all members, for the check for incomplete responses."""
        name = operation["output"]["shape"]
        shape = self._shapes[name]
        members = {key: self._member(key, member) for key, member in shape["members"].items()}
        self._narrowed[narrowed_shape_name(name, self._operation)] = {**shape, "members": members}
        return self._narrowed

    def _member(self, name: str, member: _ShapeModel) -> _ShapeModel:
        if name in self._answer_fields.whole or name not in self._answer_fields.partial:
            return member
        return self._narrowed_reference(member)

    def _narrowed_reference(self, reference: _ShapeModel) -> _ShapeModel:
        """Return a reference to the narrowed copy of a shape, and create the copy if it does not exist."""
        name = reference["shape"]
        narrowed_name = narrowed_shape_name(name, self._operation)
        if narrowed_name not in self._narrowed:
            self._narrowed[narrowed_name] = {}  # ends the recursion, because a shape may contain itself
            self._narrowed[narrowed_name].update(self._narrow(self._shapes[name]))
        return {**reference, "shape": narrowed_name}

    def _narrow(self, shape: _ShapeModel) -> _ShapeModel:
        match shape["type"]:
            case "list":
                return {**shape, "member": self._narrowed_reference(shape["member"])}
            case "structure" if not shape.keys() & {"union", "document", "eventstream", "payload"}:
                read = self._answer_fields.whole | self._answer_fields.partial
                members = {key: self._member(key, each) for key, each in shape["members"].items() if key in read}
                kept = [name for name in shape.get("required", ()) if name in members]
                return {**shape, "members": members, "required": kept}
            case _:
                return shape
