"""One PostgreSQL database, spoken to under three roles that cannot do each other's work.

``Database`` promises: connections come with their role set, migrations run once (also when several processes start
at the same moment), and a database that does not answer is ``Unavailable``, never a driver's traceback.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final, Literal

import psycopg
from psycopg import pq, sql
from psycopg.errors import error_from_result
from psycopg_pool import ConnectionPool

from ledger.errors import Unavailable

Role = Literal["writer", "sequencer", "reader", "owner"]

OLDEST_SERVER: Final = 150000
_MIGRATION_LOCK: Final = 4823093174209356
_ROLES: Final = ("mingjian_writer", "mingjian_sequencer", "mingjian_reader")
_TRUSTED_S: Final = 1.0
_UNKNOWN_NAME: Final = b"26000"


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection, when it answered last, and what was prepared on it by :class:`Prepared`."""

    answered_s: float = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[bytes] = set()


class Prepared:
    """One short statement sent the shortest way: prepared once a connection, values and answer in binary, no cursor.

    The driver's ordinary way costs the client three times as much as one row costs the server. This one waits inside
    libpq (other threads go on, an interrupt is felt when the answer is there): for what is over in a moment.
    """

    def __init__(self, name: str, query: str, *types: str) -> None:
        """``query`` has ``$1`` …, of those ``types``; nobody else prepares anything as ``name``."""
        self._name, self._query = f"mingjian_{name}".encode(), query.encode()
        self._types = [psycopg.adapters.types[type_].oid for type_ in types]
        self._binary = [pq.Format.BINARY] * len(types)

    def run(self, connection: Connection, values: Sequence[Any]) -> pq.abc.PGresult:
        """The answer to ``values``, each in the server's binary form of its type or None; raises as the driver does."""
        server, prepared = connection.pgconn, connection.prepared
        if server.transaction_status != pq.TransactionStatus.IDLE:
            # Where a failure costs the whole transaction, nothing is left to what may have been deallocated.
            return _checked(
                server, server.exec_params(self._query, values, self._types, self._binary, pq.Format.BINARY)
            )
        if self._name in prepared:
            result = server.exec_prepared(self._name, values, self._binary, pq.Format.BINARY)
            if result.status == pq.ExecStatus.TUPLES_OK:
                return result
            # The driver deallocates all that is prepared after a ROLLBACK of its own. Nothing was done then.
            if result.error_field(pq.DiagnosticField.SQLSTATE) != _UNKNOWN_NAME:
                return _checked(server, result)
        _checked(server, server.prepare(self._name, self._query, self._types))
        prepared.add(self._name)
        return _checked(server, server.exec_prepared(self._name, values, self._binary, pq.Format.BINARY))


def _checked(server: pq.abc.PGconn, result: pq.abc.PGresult) -> pq.abc.PGresult:
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return result
    if server.status == pq.ConnStatus.BAD:
        raise psycopg.OperationalError(result.get_error_message())
    raise error_from_result(result)


class Database:
    """Connections to the ledger's database. Close it, or use it as a context manager."""

    def __init__(self, conninfo: str, *, max_connections: int = 8) -> None:
        """``conninfo``: a libpq URL or keyword string whose user owns the database."""
        self.conninfo = conninfo
        self._max = max_connections
        self._pools: dict[Role, ConnectionPool[Connection]] = {}
        self._lock = threading.Lock()
        self._failed_s = 0.0

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
            connection = Connection.connect(self.conninfo, autocommit=True)
            _take_role(connection, role)
        except psycopg.OperationalError as error:
            raise _unavailable(error) from error
        return connection

    @contextmanager
    def use(self, role: Role) -> Iterator[Connection]:
        """A pooled connection in autocommit, under ``role``."""
        try:
            pool = self._pools.get(role) or self._pool(role)
            # Not ``pool.connection``: there is nothing to commit here, and what was left open the pool rolls back.
            connection = pool.getconn(timeout=10)
            try:
                yield connection
                connection.answered_s = time.monotonic()
            finally:
                pool.putconn(connection)
        except (psycopg.OperationalError, psycopg.errors.AdminShutdown) as error:
            self._failed_s = time.monotonic()
            raise _unavailable(error) from error

    def _check(self, connection: Connection) -> None:
        """Ask the server only where there may be none: the question is a round trip before each use."""
        if connection.answered_s <= max(self._failed_s, time.monotonic() - _TRUSTED_S):
            ConnectionPool.check_connection(connection)

    def _pool(self, role: Role) -> ConnectionPool[Connection]:
        with self._lock:  # a second pool made by another thread would never be closed
            pool = self._pools.get(role)
            if pool is None:
                pool = self._pools[role] = ConnectionPool(
                    self.conninfo,
                    connection_class=Connection,
                    kwargs={"autocommit": True},
                    configure=lambda connection: _take_role(connection, role),
                    min_size=0,
                    max_size=self._max,
                    open=True,
                    check=self._check,
                )
            return pool

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
        # Since PostgreSQL 16 who makes a role may grant it, but not yet take it.
        right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
        may_take = connection.execute("SELECT pg_has_role(current_user, %s, %s)", (role, right)).fetchone()
        if may_take != (True,):
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def _unavailable(error: psycopg.Error) -> Unavailable:
    first = str(error).strip().partition("\n")[0]
    return Unavailable(
        f"the database does not answer: {first}",
        code="database",
        mend="see that the server runs and MINGJIAN_DATABASE_URL (or the data folder) is right, then try again",
    )
