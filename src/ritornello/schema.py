"""The vocabulary: column names, actions and the table schemas that every stage shares.

An event is one behaviour of one user on one track at one moment. Time is UTC milliseconds. Row numbers (`*_idx`) are
int32 and start at 1; 0 is PADDING everywhere.
"""

from enum import IntEnum

import polars as pl

PADDING = 0
LAST_MOMENT = 253_402_300_800_000  # the year 10000, in UTC ms: no event is as late

USER_ID = "user_id"
TRACK_ID = "track_id"
AT = "at"
ACTION = "action"
PLAYED_MS = "played_ms"
TRACK_MS = "track_ms"
SCENE = "scene"
SOURCE = "source"
REQUEST_ID = "request_id"
POSITION = "position"
PROPENSITY = "propensity"

USER_IDX = "user_idx"
TRACK_IDX = "track_idx"
ARTIST_ID = "artist_id"
ALBUM_ID = "album_id"
TITLE = "title"
ARTIST_NAME = "artist_name"
GENRE = "genre"
RELEASED_AT = "released_at"
FIRST_AT = "first_at"
APPEARED_AT = "appeared_at"

ALBUM_TITLE = "album_title"
LANGUAGE = "language"
ERA = "era"
EXPLICIT = "explicit"
PLAYABLE = "playable"
PLAYLIST_ID = "playlist_id"
DESCRIPTION = "description"
VIDEO_ID = "video_id"
POST_ID = "post_id"
TEXT = "text"
MADE_AT = "made_at"
HEAD = "head"
RELATION = "relation"
TAIL = "tail"
WEIGHT = "weight"
VECTOR = "vector"
ENTITY_ID = "entity_id"

RANK = "rank"
SCORE = "score"
HEARD = "heard"
CHANNELS = "channels"
REASON = "reason"
ROW_ID = "row_id"
TIMESTAMP = "timestamp"

ONE_SECOND_MS = 1_000
ONE_MINUTE_MS = 60_000
ONE_HOUR_MS = 3_600_000
ONE_DAY_MS = 86_400_000


class Action(IntEnum):
    """What a user did. The numbers are stored: never renumber, only append."""

    IMPRESSION = 1
    PLAY = 2
    LIKE = 3
    UNLIKE = 4
    DISLIKE = 5
    PLAYLIST_ADD = 6
    PLAYLIST_REMOVE = 7
    DOWNLOAD = 8
    SHARE = 9
    COMMENT = 10
    SEARCH = 11


ACTION_NAMES = {action.name.lower(): int(action) for action in Action}

# Identifiers are Int64 where the source has whole numbers, String otherwise; a workspace that has both reads them as String.
EVENT_SCHEMA = {
    AT: pl.Int64(),
    ACTION: pl.Int8(),
    PLAYED_MS: pl.Int64(),
    TRACK_MS: pl.Int64(),
    SCENE: pl.String(),
    SOURCE: pl.String(),
    REQUEST_ID: pl.String(),
    POSITION: pl.Int32(),
    PROPENSITY: pl.Float64(),
}

# Catalogue columns of a track; every one but the identifier may be missing.
TRACK_SCHEMA = {
    TITLE: pl.String(),
    ARTIST_ID: pl.String(),
    ARTIST_NAME: pl.String(),
    ALBUM_ID: pl.String(),
    GENRE: pl.String(),
    TRACK_MS: pl.Int64(),
    RELEASED_AT: pl.Int64(),
    LANGUAGE: pl.String(),
    ERA: pl.String(),
    EXPLICIT: pl.Boolean(),
    PLAYABLE: pl.Boolean(),
    VECTOR: pl.List(pl.Float32()),
}

# The names under which other systems know a column; the first one present wins.
EVENT_ALIASES = {
    USER_ID: ("user_id", "user", "uid", "user_name", "username", "listener"),
    TRACK_ID: ("track_id", "item_id", "track", "recording_id", "recording_mbid", "recording_msid", "song_id"),
    AT: ("at", "timestamp", "ts", "time", "listened_at", "datetime", "date"),
    ACTION: ("action", "event", "event_type"),
    PLAYED_MS: ("played_ms", "ms_played", "duration_played_ms"),
    TRACK_MS: ("track_ms", "duration_ms", "track_duration_ms"),
    SCENE: ("scene",),
    SOURCE: ("source",),
    REQUEST_ID: ("request_id",),
    POSITION: ("position",),
    PROPENSITY: ("propensity",),
}
TRACK_ALIASES = {
    TRACK_ID: ("track_id", "item_id", "track", "recording_id", "recording_mbid", "song_id"),
    TITLE: ("title", "track_name", "name"),
    ARTIST_ID: ("artist_id", "artist_mbid", "artist"),
    ARTIST_NAME: ("artist_name", "artist", "artist_id"),
    ALBUM_ID: ("album_id", "release_mbid", "album", "album_name"),
    GENRE: ("genre", "genres"),
    TRACK_MS: ("track_ms", "duration_ms", "duration_ms_mode"),
    RELEASED_AT: ("released_at", "release_date"),
    LANGUAGE: ("language",),
    ERA: ("era", "decade"),
    EXPLICIT: ("explicit", "is_explicit"),
    PLAYABLE: ("playable", "is_playable", "owned"),
    VECTOR: ("vector", "embedding", "audio_vector"),
}
