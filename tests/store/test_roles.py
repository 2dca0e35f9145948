"""No role that runs can change or take away what is recorded: each tries, with every verb, on every table."""

from __future__ import annotations

import itertools

import psycopg
import pytest
from psycopg import sql

from ledger.door.hall import Hall
from ledger.store.database import Role
from projections.runner import TABLES, Projector

# What the design gives: INSERT for writer and sequencer, and the head's one row.
ALLOWED = {("sequencer", "head", "UPDATE")}
VERBS = {
    "UPDATE": "UPDATE {0} SET {1} = {1}",
    "DELETE": "DELETE FROM {0}",
    "TRUNCATE": "TRUNCATE {0}",
    "DROP": "DROP TABLE {0}",
    "TRIGGERS": "ALTER TABLE {0} DISABLE TRIGGER ALL",
    "GRANT": "GRANT ALL ON {0} TO CURRENT_USER",
}
FIRST = {
    "statements": "id",
    "requests": "request",
    "governing": "epoch",
    "leaves": "id",
    "leaves_000000": "id",
    "nodes": "hash",
    "batches": "root",
    "voided": "id",
    "head": "size",
}


@pytest.mark.parametrize("role", ["writer", "sequencer", "reader"])
def test_a_role_that_runs_can_change_nothing(shared: Hall, role: Role) -> None:
    with shared.database.connect(role) as connection:
        for (table, column), (verb, statement) in itertools.product(FIRST.items(), VERBS.items()):
            if (role, table, verb) in ALLOWED:
                continue
            with connection.transaction(force_rollback=True):
                try:
                    connection.execute(statement.format(f"ledger.{table}", column).encode())
                except psycopg.errors.InsufficientPrivilege:
                    continue
                # GRANT by somebody who holds nothing to give is a warning, and gives nothing.
                assert verb == "GRANT", (role, table, verb)
            granted = connection.execute(
                "SELECT has_table_privilege(%s, 'UPDATE, DELETE, TRUNCATE')", (f"ledger.{table}",)
            ).fetchone()
            assert granted == ((role, table, "UPDATE") in ALLOWED,)


@pytest.mark.parametrize("role", ["writer", "sequencer", "reader"])
def test_a_role_that_runs_makes_no_table_and_no_function(shared: Hall, role: Role) -> None:
    with shared.database.connect(role) as connection:
        for statement in (b"CREATE TABLE ledger.t (x int)", b"CREATE FUNCTION ledger.f() RETURNS int RETURN 1"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_the_owner_is_told_aloud(shared: Hall) -> None:
    for table in ("statements", "requests", "governing", "leaves", "leaves_000000", "nodes", "batches", "voided"):
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            with (
                shared.database.connect("owner") as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege, match="what is recorded stays recorded"),
            ):
                connection.execute(VERBS[verb].format(f"ledger.{table}", FIRST[table]).encode())


@pytest.mark.parametrize("role", ["writer", "sequencer", "reader"])
def test_no_role_that_runs_writes_what_is_derived(shared: Hall, role: Role) -> None:
    Projector(shared.database).catch_up()
    with shared.database.connect(role) as connection:
        for table in [*TABLES, "cursor"]:
            name = sql.Identifier("projections", table)
            for statement in ("DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(sql.SQL(statement).format(name))
