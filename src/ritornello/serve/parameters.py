"""Parameters of paths and queries, with the same limits as the fields of bodies."""

from typing import Annotated

from fastapi import Path, Query

from ritornello.rerank.rules import BlockKind
from ritornello.schema import LAST_MOMENT
from ritornello.serve.bodies import MAX_ID, ActionName

ID_PATTERN = r"^[^\x00-\x1f]+$"

UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN)]
TrackId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN)]
UserIdQuery = Annotated[str, Query(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN)]
TrackIdQuery = Annotated[str, Query(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN)]
Version = Annotated[str, Path(max_length=MAX_ID, pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]*$")]
MomentQuery = Annotated[int, Query(ge=0, lt=LAST_MOMENT, description="UTC ms")]
KindQuery = Annotated[BlockKind, Query()]
BlockIdQuery = Annotated[str, Query(alias="id", min_length=1, max_length=MAX_ID, pattern=ID_PATTERN)]
ActionQuery = Annotated[ActionName, Query()]
Words = Annotated[str, Query(min_length=1, max_length=MAX_ID, description="part of a title or an artist")]
Limit = Annotated[int, Query(ge=1, le=100)]
