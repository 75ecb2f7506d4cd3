"""Every table, in one file: what the node keeps, and why.

Times are integers, milliseconds since 1970 in UTC. IRIs are text. `document` and `body` columns
hold bytes exactly as they were received or sent: proofs and signatures are checked over them.
Migrations in `migrations/versions/` build the same tables; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    literal_column,
    true,
)

HEAD = "0003"
"""The newest migration. The node compares it with what the database says before it loads Alembic at all."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives its fast row number only to a column spelled INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")

_NEVER_AGAIN: dict[str, Any] = {"sqlite_autoincrement": True}
"""SQLite gives the number of the newest row, once that is deleted, to the next. Who still holds the number of what was
taken back meanwhile would then settle a stranger: a delivery lost, a push never sent. PostgreSQL never does."""

profile = Table(
    "profile",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1: one node, one owner
    Column("handle", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("approves_followers", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("also_known_as", JSON, nullable=False),
    Column("moved_to", Text),
    Column("password_hash", Text),
    Column("fields", JSON),  # [[name, value as typed, when its link was seen to point back], …]
    Column("avatar", Text),  # the file in the media directory
    Column("header", Text),
    Column("bot", Boolean, nullable=False, server_default=false()),
    Column("discoverable", Boolean, nullable=False, server_default=true()),
    Column("indexable", Boolean, nullable=False, server_default=false()),
    Column("hides_collections", Boolean, nullable=False, server_default=false()),
    Column("preferences", JSON),  # what the owner set for apps: default visibility, language, … by name
)

actors = Table(
    "actors",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # Snowflake: the client API's account id
    Column("iri", Text, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("summary", Text, nullable=False),  # sanitised HTML
    Column("url", Text),
    Column("inbox", Text, nullable=False),
    Column("shared_inbox", Text),
    Column("outbox", Text),
    Column("followers", Text),
    Column("following", Text),
    Column("featured", Text),
    Column("icon", Text),
    Column("image", Text),
    Column("fields", JSON, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("discoverable", Boolean, nullable=False),
    Column("bot", Boolean, nullable=False),
    Column("published", BigInteger),
    Column("also_known_as", JSON, nullable=False),
    Column("moved_to", Text),
    Column("webfinger", Text),  # the handle that its domain confirmed, when it is not the id's host
    Column("implements", JSON, nullable=False),
    Column("document", LargeBinary),  # as received
    Column("fetched_at", BigInteger, nullable=False),
    Column("gone_at", BigInteger),  # its server said 410, or it deleted itself
    Column("emojis", JSON(none_as_null=True)),  # custom emoji in name and bio: [[shortcode, url], …]
    Column("resembles", Text),  # the IRI of somebody the owner knows, for whom this account could be taken
)
Index("ix_actors_host_username", actors.c.host, actors.c.username)

keys = Table(
    "keys",
    metadata,
    # One key id can name two keys in its life (an RSA key replaced under `#main-key`): both are kept.
    Column("id", Text, primary_key=True),
    Column("material", Text, primary_key=True),  # SPKI PEM, or Multikey
    Column("owner", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # rsa | ed25519
    Column("since", BigInteger, nullable=False),
    Column("trust", Text, nullable=False),  # first_use | compared | continuity
    Column("state", Text, nullable=False),  # pinned | changed | retired
)

notes = Table(
    "notes",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # Snowflake of `published`, never in the future
    Column("iri", Text, nullable=False, unique=True),
    Column("author_id", BigInteger, ForeignKey("actors.id"), nullable=False),
    Column("own", Boolean, nullable=False),
    Column("for_owner", Boolean, nullable=False),  # addressed to, mentions, or answers the owner
    Column("type", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("published", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("updated", BigInteger),
    Column("url", Text),
    Column("in_reply_to", Text, index=True),
    Column("context", Text),
    Column("content", Text, nullable=False),  # sanitised HTML
    Column("summary", Text, nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("language", Text),
    Column("audience", JSON, nullable=False),  # [to, cc]
    Column("mentions", JSON, nullable=False),
    Column("hashtags", JSON, nullable=False),
    Column("attachments", JSON, nullable=False),
    Column("source", Text),
    Column("document", LargeBinary),  # own notes: the exact signed bytes that are served and delivered
    Column("activity", Text),  # what carried it here: the row of `activities` that is its evidence
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key_id", Text),
    Column("key", Text),
    Column("key_since", BigInteger),
    Column("key_trust", Text),
    Column("signed_at", BigInteger),
    Column("emojis", JSON(none_as_null=True)),
    Column("poll", JSON(none_as_null=True)),  # a question's options and counts, as last heard
    Column("quote", Text),  # the IRI of the note it quotes
    Column("quote_state", Text),  # pending | accepted | rejected | revoked (FEP-044f)
    Column("quote_stamp", Text),  # the IRI of the QuoteAuthorization
    Column("quote_policy", Text),  # public | followers | nobody: who may quote it, as its author says
)
Index("ix_notes_author_id_id", notes.c.author_id, notes.c.id)
Index("ix_notes_for_owner_id", notes.c.for_owner, notes.c.id)
# Only the owner's posts, so it costs nothing when others' arrive; without it, to count them is to read every note.
# On PostgreSQL it holds all: to name its dialect here would load it into every node (2 MiB).
Index("ix_notes_own", notes.c.id, notes.c.visibility, sqlite_where=literal_column("own = 1"))

# Few are: whoever looks for direct posts must not read all the others.
Index("ix_notes_direct", notes.c.visibility, notes.c.id, sqlite_where=literal_column("visibility = 'direct'"))
# Who quotes a post: few quote any.
Index("ix_notes_quote", notes.c.quote, sqlite_where=literal_column("quote IS NOT NULL"))

tombstones = Table(
    "tombstones",
    metadata,
    # Notes that were deleted, ours and theirs: a Create that comes late (or again) stays refused.
    Column("iri", Text, primary_key=True),
    Column("author", Text, nullable=False),
    Column("former_type", Text, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    Column("public", Boolean, nullable=False),  # only then does its address answer 410 instead of 404
)

home = Table(
    "home",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # the note's id; of a boost, its own
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("actor_id", BigInteger, nullable=False, index=True),  # who brought it here
)

activities = Table(
    "activities",
    metadata,
    # The log, the guard against replays, and the evidence for what others wrote.
    Column("iri", Text, primary_key=True),
    Column("direction", Text, nullable=False),  # in | out
    Column("actor", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("object", Text),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSON),  # the signature headers, and what they cover, as received
    Column("key_id", Text),
    Column("key", Text),
)
Index("ix_activities_object", activities.c.object)

follows = Table(
    "follows",
    metadata,
    Column("actor", Text, primary_key=True),  # whom the owner follows
    Column("activity", Text, nullable=False),  # our Follow; only an answer to it counts
    Column("state", Text, nullable=False),  # pending | accepted | rejected
    Column("since", BigInteger, nullable=False),
    Column("boosts", Boolean, nullable=False, server_default=true()),  # whether what they boost is shown
    Column("notify", Boolean, nullable=False, server_default=false()),  # whether each post of theirs is announced
    Column("languages", JSON),  # only these, if any are named
    Column("endorsed", Boolean, nullable=False, server_default=false()),  # whom the owner's apps list as featured
)

followers = Table(
    "followers",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("activity", Text, nullable=False),  # their Follow, embedded in our Accept
    Column("state", Text, nullable=False),  # pending | accepted
    Column("since", BigInteger, nullable=False),
)

queue = Table(
    "queue",
    metadata,
    # One row per activity and inbox still owed. Rows go when they are settled; no key is ever in one.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("activity", Text, ForeignKey("activities.iri", ondelete="CASCADE"), nullable=False),
    Column("inbox", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("worker", Text),  # who holds it now …
    Column("leased_until", BigInteger),  # … and until when, should that worker die
    Column("last_error", Text),
    UniqueConstraint("activity", "inbox"),
    **_NEVER_AGAIN,
)
Index("ix_queue_next_at", queue.c.next_at)

arrivals = Table(
    "arrivals",
    metadata,
    # Activities that were accepted and could not be applied at once: tried again, then parked with the reason.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("activity", Text, nullable=False, unique=True),
    Column("actor", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),  # null: parked
    Column("last_error", Text),
    **_NEVER_AGAIN,
)

hosts = Table(
    "hosts",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("dialect", Text),  # cavage | rfc9421: what it last took, spoke or advertised
    Column("algorithm", Text),  # rsa | ed25519
    Column("learned_at", BigInteger),
    Column("how", Text),  # advertised | spoke | worked
    Column("failing_since", BigInteger),  # first failure without a success since
    Column("failures", Integer, nullable=False),
    Column("next_at", BigInteger),  # nothing is tried before
    Column("dormant", Boolean, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    # What was refused, for the owner to read. Bounded: the oldest go.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("host", Text, nullable=False),
    Column("actor", Text),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("times", Integer, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", Text, primary_key=True),  # SHA-256 of the token, hex; the token itself is never kept
    Column("label", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False, server_default="user"),  # user | app: an app's own token is not the owner's
    Column("app_id", BigInteger),
    Column("grant", Text),  # the authorization code it was made for: used twice, its tokens go
    Column("used_at", BigInteger),
)

reactions = Table(
    "reactions",
    metadata,
    # Likes, boosts and emoji reactions, the owner's and others', each until it is undone.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),  # like | boost | emoji
    Column("content", Text, nullable=False),  # the emoji, or empty
    Column("activity", Text, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("url", Text),  # the picture of a custom emoji
    UniqueConstraint("note", "actor", "kind", "content"),
)
Index("ix_reactions_note_kind", reactions.c.note, reactions.c.kind)

revisions = Table(
    "revisions",
    metadata,
    # What an edited note said before, each version with its verdict.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("written_at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("attachments", JSON, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key", Text),
    Column("document", LargeBinary),  # own notes: the bytes that were signed
    Column("activity", Text),  # what carried it
)

blocks = Table(
    "blocks",
    metadata,
    # Nothing comes in from these, and nothing goes out to them. Domains are normalised and mean their subdomains too.
    Column("kind", Text, primary_key=True),  # account | domain
    Column("value", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("comment", Text, nullable=False),
)

mutes = Table(
    "mutes",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("notifications", Boolean, nullable=False, server_default=true()),  # muted too
)

standings = Table(
    "standings",
    metadata,
    # Strangers the owner decided about: those whom the owner spoke to, or let in, and those to be ignored.
    Column("actor", Text, primary_key=True),
    Column("standing", Text, nullable=False),  # allowed | ignored
    Column("at", BigInteger, nullable=False),
)

featured = Table(
    "featured",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("note", Text, primary_key=True),
    Column("position", Integer, nullable=False),
)

followed_tags = Table(
    "followed_tags",
    metadata,
    Column("name", Text, primary_key=True),  # folded, without the #
    Column("since", BigInteger, nullable=False),
)

note_tags = Table(
    "note_tags",
    metadata,
    # Which posts carry which hashtags, for timelines of one.
    Column("tag", Text, primary_key=True),  # folded, without the #
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True, index=True),
)

votes = Table(
    "votes",
    metadata,
    Column("question", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("choice", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

chores = Table(
    "chores",
    metadata,
    # Fetching to be done in the background, resumable: whose outbox, which thread.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # outbox | catch_up | thread
    Column("subject", Text, nullable=False),
    Column("state", JSON, nullable=False),  # how far it got
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger),  # null: given up
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    UniqueConstraint("kind", "subject"),
    **_NEVER_AGAIN,
)

cursors = Table(
    "cursors",
    metadata,
    # How far each followed outbox is known.
    Column("actor", Text, primary_key=True),
    Column("newest", Text),  # the IRI of the newest post seen
    Column("newest_at", BigInteger),
    Column("checked_at", BigInteger),
    Column("etag", Text),
    Column("usual_gap", BigInteger),  # milliseconds between two posts, as a rule
)

absences = Table(
    "absences",
    metadata,
    # When the node was away, and what was recovered afterwards.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("posts", Integer, nullable=False),
    Column("people", Integer, nullable=False),
    Column("unreachable", JSON, nullable=False),
    Column("ended_at", BigInteger),  # null: still catching up
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # mention | follow | follow_request | reblog | favourite | update | poll
    Column("actor", Text, nullable=False),
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="CASCADE"), index=True),
    Column("at", BigInteger, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    # Flags that came in (for the owner alone to read), and those the owner sent.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("actor", Text, nullable=False),
    Column("about", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

quote_grants = Table(
    "quote_grants",
    metadata,
    # Who may quote which of the owner's notes: each row is a stamp we serve (FEP-044f).
    Column("stamp", Text, primary_key=True),
    Column("note", Text, nullable=False, index=True),  # the owner's, that is quoted
    Column("quoting", Text, nullable=False),  # the note that quotes it
    Column("actor", Text, nullable=False),  # who asked: a neighbour's word takes nobody's place
    Column("at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("note", "quoting", "actor"),
)

# ── the client API ───────────────────────────────────────────────────────────────────────────

apps = Table(
    "apps",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("client_id", Text, nullable=False, unique=True),
    Column("secret_hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("website", Text),
    Column("redirect_uris", JSON, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    **_NEVER_AGAIN,
)

grants = Table(
    "grants",
    metadata,
    # Authorization codes, by their hash: good once, for a minute, for one app and one redirect.
    Column("hash", Text, primary_key=True),
    Column("app_id", BigInteger, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("challenge", Text),  # PKCE, S256
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    # The owner's browsers, by the hash of their cookie.
    Column("hash", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

bookmarks = Table(
    "bookmarks",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="CASCADE"), nullable=False, unique=True),
)

lists = Table(
    "lists",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("replies_policy", Text, nullable=False),  # followed | list | none
    Column("exclusive", Boolean, nullable=False),
)

list_members = Table(
    "list_members",
    metadata,
    Column("list_id", BigInteger, ForeignKey("lists.id", ondelete="CASCADE"), primary_key=True),
    Column("actor", Text, primary_key=True),
)

filters = Table(
    "filters",
    metadata,
    # Words and posts the owner wants hidden or behind a warning; apps and the API apply them.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("contexts", JSON, nullable=False),  # home | notifications | public | thread | account
    Column("action", Text, nullable=False),  # warn | hide | blur
    Column("expires_at", BigInteger),
)

filter_keywords = Table(
    "filter_keywords",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("filter_id", BigInteger, ForeignKey("filters.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("keyword", Text, nullable=False),
    Column("whole_word", Boolean, nullable=False),
)

filter_statuses = Table(
    "filter_statuses",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("filter_id", BigInteger, ForeignKey("filters.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="CASCADE"), nullable=False, index=True),
)

markers = Table(
    "markers",
    metadata,
    # How far the owner has read, the same in all apps.
    Column("timeline", Text, primary_key=True),  # home | notifications
    Column("last_read_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

media = Table(
    "media",
    metadata,
    # The owner's own files. Names are random; where they lie is known from here alone.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("note_id", BigInteger, ForeignKey("notes.id", ondelete="SET NULL"), index=True),
    Column("purpose", Text, nullable=False),  # post | avatar | header
    Column("state", Text, nullable=False),  # ready | withdrawn: of a deleted post, to be hung on another
    Column("kind", Text, nullable=False),  # image | gifv | video | audio
    Column("media_type", Text, nullable=False),
    Column("file", Text, unique=True),
    Column("preview", Text, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("meta", JSON, nullable=False),  # width, height, duration …
    Column("alt", Text, nullable=False),
    Column("focus", JSON),
    Column("blurhash", Text),
    Column("digest", Text),  # digestMultibase of the file
    Column("problem", Text),
    Column("created_at", BigInteger, nullable=False),
)

remote_media = Table(
    "remote_media",
    metadata,
    # Other people's pictures, fetched when first looked at; the least used go when the cache is full.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("url", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # attachment | avatar | header | emoji
    Column("file", Text),  # null: not fetched, or evicted
    Column("preview", Text),  # small and still; null where the file itself is
    Column("media_type", Text),
    Column("size", BigInteger, nullable=False),
    Column("likeness", Text),  # perceptual hash of a picture, cut as an avatar is, hex
    Column("used_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_at", BigInteger),  # after a failure: not before
)
Index("ix_remote_media_used_at", remote_media.c.used_at)

scheduled = Table(
    "scheduled",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("params", JSON, nullable=False),
    Column("problem", Text),
)

idempotency = Table(
    "idempotency",
    metadata,
    # One status for one Idempotency-Key, however often it is sent.
    Column("key", Text, primary_key=True),  # hash of token and key
    Column("note_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("token", Text, nullable=False, unique=True),  # hash; a token has one subscription
    Column("endpoint", Text, nullable=False),
    Column("p256dh", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("alerts", JSON, nullable=False),
    Column("policy", Text, nullable=False),  # all | followed | follower | none
    Column("standard", Boolean, nullable=False),  # aes128gcm (RFC 8291); else the draft's aesgcm
    Column("created_at", BigInteger, nullable=False),
    **_NEVER_AGAIN,
)

pushes = Table(
    "pushes",
    metadata,
    # One row per notification and subscription still owed. A notification that is dismissed is pushed no more.
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column(
        "subscription", BigInteger, ForeignKey("push_subscriptions.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("notification", BigInteger, ForeignKey("notifications.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False, index=True),
    Column("leased_until", BigInteger),
    Column("last_error", Text),
    UniqueConstraint("subscription", "notification"),
    **_NEVER_AGAIN,
)

conversations = Table(
    "conversations",
    metadata,
    # Direct posts, by the thread they belong to.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("root", Text, nullable=False, unique=True),
    Column("last_note_id", BigInteger, nullable=False, index=True),
    Column("people", JSON, nullable=False),
    Column("unread", Boolean, nullable=False),
    Column("deleted_to", BigInteger),  # the owner took it off the list when this was its last post
)

muted_threads = Table(
    "muted_threads",
    metadata,
    Column("root", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

remarks = Table(
    "remarks",
    metadata,
    # What the owner noted about an account, for the owner's eyes only.
    Column("actor", Text, primary_key=True),
    Column("comment", Text, nullable=False),
)

search_due = Table(
    "search_due",
    metadata,
    # Posts that full-text search does not know yet, or not as they are now (SQLite; storage/search.py).
    Column("note_id", BigInteger, primary_key=True, autoincrement=False),
)

WORDS = (
    "to_tsvector('simple'::regconfig, left(regexp_replace(regexp_replace(normalize(left("
    "notes.summary || ' ' || regexp_replace(regexp_replace(regexp_replace(left(notes.content, 100000),"
    r" '</?(p|br|li|ul|ol|pre|blockquote|h[1-6])\M[^>]*>', ' ', 'gi'),"
    " '<[^>]*>', '', 'g'), '&[a-zA-Z0-9#]+;', ' ', 'g') || ' ' || regexp_replace("
    "coalesce(jsonb_path_query_array(notes.attachments::jsonb, '$[*][3]')::text, '') || ' ' || "
    "coalesce(jsonb_path_query_array(notes.poll::jsonb, '$.choices[*][0]')::text, ''),"
    r" '\\.', ' ', 'g'), 100000), NFD),"
    r" '[\u0300-\u036f]', '', 'g'), '[!-/:-@\[-`{-~]', ' ', 'g'), 100000))"
)
"""What PostgreSQL searches of a post, as search.py makes it for SQLite: warning, text without markup, what is
said of pictures, what is asked; without accents, and parted at every mark."""

# What no Table can say: the words of posts, and what keeps them right. Each dialect does it in its own way.
for _dialect, _statement in (
    ("sqlite", "CREATE VIRTUAL TABLE note_words USING fts5(words, tokenize = 'unicode61 remove_diacritics 2')"),
    (
        "sqlite",
        "CREATE TRIGGER notes_written AFTER INSERT ON notes BEGIN "
        "INSERT OR IGNORE INTO search_due (note_id) VALUES (new.id); END",
    ),
    (
        "sqlite",
        "CREATE TRIGGER notes_edited AFTER UPDATE OF content, summary ON notes BEGIN "
        "INSERT OR IGNORE INTO search_due (note_id) VALUES (new.id); END",
    ),
    (
        "sqlite",
        "CREATE TRIGGER notes_deleted AFTER DELETE ON notes BEGIN "
        "DELETE FROM note_words WHERE rowid = old.id; DELETE FROM search_due WHERE note_id = old.id; END",
    ),
    ("postgresql", f"CREATE INDEX ix_notes_words ON notes USING gin ({WORDS})"),
):
    event.listen(metadata, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
