"""The tables, in two shards with the same shape.

`public.notes` is both shards' notes as one: it is read and inserted into by programs that know
nothing of shards. No row can get into the wrong shard: a check in each table asks `shard_of`.
"""

from __future__ import annotations

from digital_human.postgres.shards import SHARDS

DATABASE = "digital_human"
OWNER = "postgres"
CLIENT = "dialogue"
TABLES = ("sessions", "turns", "feedback", "notes")

_ROLE = f"create role {CLIENT} login"
_GRANT = f"grant select, insert on public.notes to {CLIENT}"

_SHARD_OF = f"""
create function public.shard_of(key text) returns int
language sql immutable strict parallel safe
return get_byte(sha256(convert_to(key, 'UTF8')), 31) % {SHARDS}
"""

_SHARD = """
create schema shard_{number}

create table shard_{number}.sessions (
    id text primary key check (public.shard_of(id) = {number}),
    created_at timestamptz not null,
    written_at timestamptz not null default clock_timestamp()
)

create index sessions_newest on shard_{number}.sessions (created_at desc)

create table shard_{number}.turns (
    session_id text not null references shard_{number}.sessions (id),
    number int not null check (number > 0),
    said text not null check (length(said) <= 4000),
    reply text not null,
    degraded text[] not null default '{{}}',
    written_at timestamptz not null default clock_timestamp(),
    primary key (session_id, number)
)

create table shard_{number}.feedback (
    id bigint generated always as identity primary key,
    session_id text not null references shard_{number}.sessions (id),
    satisfaction int not null check (satisfaction between 1 and 5),
    completed boolean,
    accurate boolean,
    solved boolean,
    written_at timestamptz not null default clock_timestamp()
)

create index feedback_of_session on shard_{number}.feedback (session_id, written_at)

create table shard_{number}.notes (
    id text primary key check (public.shard_of(id) = {number}),
    text text not null,
    written_at timestamptz not null default clock_timestamp()
)

create index notes_newest on shard_{number}.notes (written_at desc)

create index notes_by_prefix on shard_{number}.notes (id text_pattern_ops)

grant usage on schema shard_{number} to {client}

grant select, insert, update, delete on all tables in schema shard_{number} to {client}
"""

_ALL_NOTES = """
create view public.notes as
    select id, text, written_at from shard_0.notes
    union all
    select id, text, written_at from shard_1.notes

create function public.insert_note() returns trigger language plpgsql as $$
begin
    execute format('insert into shard_%s.notes (id, text) values ($1, $2)',
        public.shard_of(new.id)) using new.id, new.text;
    return new;
end
$$

create trigger insert_note instead of insert on public.notes
    for each row execute function public.insert_note()
"""


def creation() -> str:
    """The statements that make an empty database, as `postgres --single -j` reads them."""
    shards = "".join(_SHARD.format(number=n, client=CLIENT) for n in range(SHARDS))
    text = "\n".join([_ROLE, _SHARD_OF, shards, _ALL_NOTES, _GRANT])
    statements = [part.strip() for part in text.split("\n\n") if part.strip()]
    return "".join(f"{statement};\n\n" for statement in statements)
