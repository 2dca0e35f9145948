"""One PostgreSQL database, spoken to under three roles that cannot do each other's work.

``Database`` promises: connections come with their role set, migrations run once (also when several processes start
at the same moment), and a database that does not answer is ``Unavailable``, never a driver's traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final, Literal

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

from ledger.errors import Unavailable

Role = Literal["writer", "sequencer", "reader", "owner"]
Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER: Final = 150000
_MIGRATION_LOCK: Final = 4823093174209356
_ROLES: Final = ("mingjian_writer", "mingjian_sequencer", "mingjian_reader")


class Database:
    """Connections to the ledger's database. Close it, or use it as a context manager."""

    def __init__(self, conninfo: str, *, max_connections: int = 8) -> None:
        """``conninfo``: a libpq URL or keyword string whose user owns the database."""
        self.conninfo = conninfo
        self._max = max_connections
        self._pools: dict[Role, ConnectionPool[Connection]] = {}

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back all connections."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def connect(self, role: Role) -> Connection:
        """A connection of its own in autocommit, under ``role``."""
        try:
            connection = psycopg.connect(self.conninfo, autocommit=True)
            _take_role(connection, role)
        except psycopg.OperationalError as error:
            raise _unavailable(error) from error
        return connection

    @contextmanager
    def use(self, role: Role) -> Iterator[Connection]:
        """A pooled connection in autocommit, under ``role``."""
        pool = self._pools.get(role)
        if pool is None:
            pool = ConnectionPool(
                self.conninfo,
                kwargs={"autocommit": True},
                configure=lambda connection: _take_role(connection, role),
                min_size=0,
                max_size=self._max,
                open=True,
                check=ConnectionPool.check_connection,
            )
            pool = self._pools.setdefault(role, pool)
        try:
            with pool.connection(timeout=10) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.errors.AdminShutdown) as error:
            raise _unavailable(error) from error

    def migrate(self, package: str = "ledger.store.sql", schema: str = "ledger") -> list[str]:
        """Run the SQL files of ``package`` that this database has not seen; returns their names."""
        done: list[str] = []
        with self.connect("owner") as connection, connection.transaction():
            if connection.info.server_version < OLDEST_SERVER:
                raise Unavailable(
                    f"the PostgreSQL server is version {connection.info.server_version // 10000}",
                    code="server-version",
                    mend="use PostgreSQL 15 or newer",
                )
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            connection.execute(
                "CREATE TABLE IF NOT EXISTS public.mingjian_migrations ("
                " schema text, name text, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (schema, name))"
            )
            known = {
                name
                for (name,) in connection.execute(
                    "SELECT name FROM public.mingjian_migrations WHERE schema = %s", (schema,)
                )
            }
            if not known:
                _make_roles(connection)
            scripts = (f for f in files(package).iterdir() if f.name.endswith(".sql"))
            for script in sorted(scripts, key=lambda f: f.name):
                if script.name in known:
                    continue
                connection.execute(script.read_text("utf-8").encode())
                connection.execute(
                    "INSERT INTO public.mingjian_migrations (schema, name) VALUES (%s, %s)",
                    (schema, script.name),
                )
                done.append(script.name)
        return done


def _take_role(connection: Connection, role: Role) -> None:
    if role != "owner":
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"mingjian_{role}")))


def _make_roles(connection: Connection) -> None:
    """Roles belong to the whole cluster: another database of it may have made them already."""
    for role in _ROLES:
        name = sql.Identifier(role)
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        if exists is None:
            with connection.transaction():
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
        member = connection.execute("SELECT pg_has_role(current_user, %s, 'MEMBER')", (role,)).fetchone()
        if member != (True,):
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def _unavailable(error: psycopg.Error) -> Unavailable:
    first = str(error).strip().partition("\n")[0]
    return Unavailable(
        f"the database does not answer: {first}",
        code="database",
        mend="see that the server runs and MINGJIAN_DATABASE_URL (or the data folder) is right, then try again",
    )
