"""The client API: apps, tokens, media, lists, filters, notifications of any app; and quotes."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "apps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apps")),
        sa.UniqueConstraint("client_id", name=op.f("uq_apps_client_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("last_note_id", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("unread", sa.Boolean(), nullable=False),
        sa.Column("deleted_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("root", name=op.f("uq_conversations_root")),
    )
    op.create_index(op.f("ix_conversations_last_note_id"), "conversations", ["last_note_id"], unique=False)
    op.create_table(
        "filters",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("contexts", sa.JSON(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filters")),
    )
    op.create_table(
        "grants",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_grants")),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("note_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "lists",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("replies_policy", sa.Text(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lists")),
    )
    op.create_table(
        "markers",
        sa.Column("timeline", sa.Text(), nullable=False),
        sa.Column("last_read_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("timeline", name=op.f("pk_markers")),
    )
    op.create_table(
        "muted_threads",
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("root", name=op.f("pk_muted_threads")),
    )
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("p256dh", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), nullable=False),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("standard", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscriptions")),
        sa.UniqueConstraint("token", name=op.f("uq_push_subscriptions_token")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pushes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subscription", sa.BigInteger(), nullable=False),
        sa.Column("notification", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notification"],
            ["notifications.id"],
            name=op.f("fk_pushes_notification_notifications"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subscription"],
            ["push_subscriptions.id"],
            name=op.f("fk_pushes_subscription_push_subscriptions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
        sa.UniqueConstraint("subscription", "notification", name=op.f("uq_pushes_subscription_notification")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_pushes_next_at"), "pushes", ["next_at"], unique=False)
    op.create_index(op.f("ix_pushes_notification"), "pushes", ["notification"], unique=False)
    op.create_index(op.f("ix_pushes_subscription"), "pushes", ["subscription"], unique=False)
    op.create_table(
        "quote_grants",
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("quoting", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("stamp", name=op.f("pk_quote_grants")),
        sa.UniqueConstraint("note", "quoting", "actor", name=op.f("uq_quote_grants_note_quoting_actor")),
    )
    op.create_index(op.f("ix_quote_grants_note"), "quote_grants", ["note"], unique=False)
    op.create_table(
        "remarks",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("actor", name=op.f("pk_remarks")),
    )
    op.create_table(
        "remote_media",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("likeness", sa.Text(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remote_media")),
        sa.UniqueConstraint("url", name=op.f("uq_remote_media_url")),
    )
    op.create_index("ix_remote_media_used_at", "remote_media", ["used_at"], unique=False)
    op.create_table(
        "scheduled",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled")),
    )
    op.create_index(op.f("ix_scheduled_at"), "scheduled", ["at"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_table(
        "filter_keywords",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("filter_id", sa.BigInteger(), nullable=False),
        sa.Column("keyword", sa.Text(), nullable=False),
        sa.Column("whole_word", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["filter_id"], ["filters.id"], name=op.f("fk_filter_keywords_filter_id_filters"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_keywords")),
    )
    op.create_index(op.f("ix_filter_keywords_filter_id"), "filter_keywords", ["filter_id"], unique=False)
    op.create_table(
        "list_members",
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.id"], name=op.f("fk_list_members_list_id_lists"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("list_id", "actor", name=op.f("pk_list_members")),
    )
    op.create_table(
        "bookmarks",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["note_id"], ["notes.id"], name=op.f("fk_bookmarks_note_id_notes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookmarks")),
        sa.UniqueConstraint("note_id", name=op.f("uq_bookmarks_note_id")),
    )
    op.create_table(
        "filter_statuses",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("filter_id", sa.BigInteger(), nullable=False),
        sa.Column("note_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["filter_id"], ["filters.id"], name=op.f("fk_filter_statuses_filter_id_filters"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["notes.id"], name=op.f("fk_filter_statuses_note_id_notes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_statuses")),
    )
    op.create_index(op.f("ix_filter_statuses_filter_id"), "filter_statuses", ["filter_id"], unique=False)
    op.create_index(op.f("ix_filter_statuses_note_id"), "filter_statuses", ["note_id"], unique=False)
    op.create_table(
        "media",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note_id", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("alt", sa.Text(), nullable=False),
        sa.Column("focus", sa.JSON(), nullable=True),
        sa.Column("blurhash", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["note_id"], ["notes.id"], name=op.f("fk_media_note_id_notes"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("file", name=op.f("uq_media_file")),
        sa.UniqueConstraint("preview", name=op.f("uq_media_preview")),
    )
    op.create_index(op.f("ix_media_note_id"), "media", ["note_id"], unique=False)
    op.create_table(
        "note_tags",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("note_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["note_id"], ["notes.id"], name=op.f("fk_note_tags_note_id_notes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag", "note_id", name=op.f("pk_note_tags")),
    )
    op.create_index(op.f("ix_note_tags_note_id"), "note_tags", ["note_id"], unique=False)
    op.create_table(
        "search_due",
        sa.Column("note_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_search_due")),
    )
    _note_the_tags()
    op.add_column("follows", sa.Column("boosts", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("follows", sa.Column("notify", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("follows", sa.Column("languages", sa.JSON(), nullable=True))
    op.add_column("follows", sa.Column("endorsed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("mutes", sa.Column("notifications", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("notes", sa.Column("quote_state", sa.Text(), nullable=True))
    op.add_column("notes", sa.Column("quote_stamp", sa.Text(), nullable=True))
    op.add_column("notes", sa.Column("quote_policy", sa.Text(), nullable=True))
    op.create_index(
        "ix_notes_direct", "notes", ["visibility", "id"], sqlite_where=sa.literal_column("visibility = 'direct'")
    )
    op.create_index("ix_notes_own", "notes", ["id", "visibility"], sqlite_where=sa.literal_column("own = 1"))
    op.create_index("ix_notes_quote", "notes", ["quote"], sqlite_where=sa.literal_column("quote IS NOT NULL"))
    op.add_column("profile", sa.Column("fields", sa.JSON(), nullable=True))
    op.add_column("profile", sa.Column("avatar", sa.Text(), nullable=True))
    op.add_column("profile", sa.Column("header", sa.Text(), nullable=True))
    op.add_column("profile", sa.Column("bot", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("profile", sa.Column("discoverable", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("profile", sa.Column("indexable", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("profile", sa.Column("hides_collections", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("profile", sa.Column("preferences", sa.JSON(), nullable=True))
    op.add_column("reactions", sa.Column("url", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("kind", sa.Text(), server_default="user", nullable=False))
    op.add_column("tokens", sa.Column("app_id", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("grant", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("used_at", sa.BigInteger(), nullable=True))
    for table in ("queue", "arrivals", "chores"):
        # Numbers are never used again; SQLite is told so when a table is made.
        if op.get_bind().dialect.name == "sqlite":
            with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": True}):
                pass
    _search(op.get_bind().dialect.name)


def _note_the_tags() -> None:
    """The hashtags of the posts that are here already."""
    notes = sa.table("notes", sa.column("id", sa.BigInteger()), sa.column("hashtags", sa.JSON()))
    kept = sa.table("note_tags", sa.column("tag", sa.Text()), sa.column("note_id", sa.BigInteger()))
    found = op.get_bind().execute(sa.select(notes.c.id, notes.c.hashtags)).all()
    rows = [
        {"tag": tag, "note_id": number}
        for number, written in found
        for tag in {unicodedata.normalize("NFKC", one).casefold() for one in written}
    ]
    if rows:
        op.get_bind().execute(kept.insert(), rows)


def _search(dialect: str) -> None:
    """Full-text search, in the way of each dialect; what is here already is taken in with the first search."""
    if dialect == "postgresql":
        op.execute(
            "CREATE INDEX ix_notes_words ON notes USING gin ("
            "to_tsvector('simple'::regconfig, left(regexp_replace(regexp_replace(normalize(left("
            "notes.summary || ' ' || regexp_replace(regexp_replace(regexp_replace(left(notes.content, 100000),"
            r" '</?(p|br|li|ul|ol|pre|blockquote|h[1-6])\M[^>]*>', ' ', 'gi'),"
            " '<[^>]*>', '', 'g'), '&[a-zA-Z0-9#]+;', ' ', 'g') || ' ' || regexp_replace("
            "coalesce(jsonb_path_query_array(notes.attachments::jsonb, '$[*][3]')::text, '') || ' ' || "
            "coalesce(jsonb_path_query_array(notes.poll::jsonb, '$.choices[*][0]')::text, ''),"
            r" '\\.', ' ', 'g'), 100000), NFD),"
            r" '[\u0300-\u036f]', '', 'g'), '[!-/:-@\[-`{-~]', ' ', 'g'), 100000)))"
        )
        return
    for statement in (
        "CREATE VIRTUAL TABLE note_words USING fts5(words, tokenize = 'unicode61 remove_diacritics 2')",
        "CREATE TRIGGER notes_written AFTER INSERT ON notes BEGIN "
        "INSERT OR IGNORE INTO search_due (note_id) VALUES (new.id); END",
        "CREATE TRIGGER notes_edited AFTER UPDATE OF content, summary ON notes BEGIN "
        "INSERT OR IGNORE INTO search_due (note_id) VALUES (new.id); END",
        "CREATE TRIGGER notes_deleted AFTER DELETE ON notes BEGIN "
        "DELETE FROM note_words WHERE rowid = old.id; DELETE FROM search_due WHERE note_id = old.id; END",
        "INSERT INTO search_due (note_id) SELECT id FROM notes",
    ):
        op.execute(statement)
