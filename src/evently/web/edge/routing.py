"""What a face declares its routes with: verbs, and where a parameter comes from."""

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

__all__ = [
    "FromPath",
    "HeaderParameter",
    "JSONBody",
    "QueryParameter",
    "delete",
    "get",
    "patch",
    "post",
    "put",
]
