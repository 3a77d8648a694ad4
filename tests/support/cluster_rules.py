"""What a cluster (Citus) refuses in a statement, and which statements it sends to all its shards.

The rules come from a trial of an earlier version on a cluster of three nodes, in which every statement was
executed (docs/architecture.md). PostgreSQL's own parser reads the statements. A table is spread over the
cluster if it has a column `event_id`; all others stay on the coordinator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Final

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, ConstrType, CTEMaterialize, JoinType, SetOperation

from tests.support.sql import MIGRATIONS

EVENT: Final = "event_id"
# Functions that may stand in an UPDATE or DELETE of spread rows: a test looks them up in the server
IMMUTABLE: Final = frozenset({"array_to_tsvector", "string_to_array", "unnest", "cardinality"})


# The schema -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Table:
    """A table as the migrations leave it, as far as a cluster is concerned."""

    columns: set[str] = field(default_factory=set)
    # Primary key, unique and excluding constraints, unique indexes: the columns of each, by name
    unique: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Foreign keys: their columns, the other table and its columns
    foreign: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def is_spread(self) -> bool:
        """Whether its rows belong to events."""
        return EVENT in self.columns


def read_schema(statements: Iterable[Any]) -> dict[str, Table]:
    """Return the tables that migrations make, one after the other."""
    tables: dict[str, Table] = {}
    for statement in statements:
        match statement:
            case ast.CreateStmt():
                table = tables[statement.relation.relname] = Table()
                for element in statement.tableElts:
                    if isinstance(element, ast.ColumnDef):
                        _add_column(table, element)
                    elif isinstance(element, ast.Constraint):
                        _add_constraint(table, element)
            case ast.AlterTableStmt():
                if statement.relation.relname in tables:
                    for command in statement.cmds:
                        _alter(tables[statement.relation.relname], command)
            case ast.IndexStmt() if statement.unique:
                columns = tuple(each.name or "" for each in statement.indexParams)
                tables[statement.relation.relname].unique[statement.idxname] = columns
            case ast.DropStmt():
                _drop(tables, {names[-1].sval for names in statement.objects})
            case _:
                pass
    return tables


def _drop(tables: dict[str, Table], names: set[str]) -> None:
    for name in names:
        tables.pop(name, None)
        for table in tables.values():
            table.unique.pop(name, None)


def _add_column(table: Table, column: Any) -> None:
    table.columns.add(column.colname)
    for constraint in column.constraints or ():
        if constraint.contype in (ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_UNIQUE):
            table.unique[constraint.conname or column.colname] = (column.colname,)
        elif constraint.contype == ConstrType.CONSTR_FOREIGN:
            theirs = _names(constraint.pk_attrs)
            table.foreign[constraint.conname or column.colname] = (
                (column.colname,), constraint.pktable.relname, theirs
            )  # fmt: skip


def _add_constraint(table: Table, constraint: Any) -> None:
    match constraint.contype:
        case ConstrType.CONSTR_PRIMARY | ConstrType.CONSTR_UNIQUE:
            table.unique[constraint.conname] = _names(constraint.keys)
        case ConstrType.CONSTR_EXCLUSION:
            columns = tuple(element.name or "" for element, _ in constraint.exclusions)
            table.unique[constraint.conname] = columns
        case ConstrType.CONSTR_FOREIGN:
            ours, theirs = _names(constraint.fk_attrs), _names(constraint.pk_attrs)
            table.foreign[constraint.conname] = (ours, constraint.pktable.relname, theirs)
        case _:
            pass


def _alter(table: Table, command: Any) -> None:
    if isinstance(command.def_, ast.ColumnDef) and command.name is None:
        _add_column(table, command.def_)
    elif isinstance(command.def_, ast.Constraint):
        _add_constraint(table, command.def_)
    elif command.name is not None:  # a dropped constraint or column
        table.unique.pop(command.name, None)
        table.foreign.pop(command.name, None)


def _names(strings: Sequence[Any] | None) -> tuple[str, ...]:
    return tuple(each.sval for each in strings or ())


def wrong_keys(tables: Mapping[str, Table]) -> list[str]:
    """Return the constraints that a cluster refuses, each with the reason."""
    wrong = []
    for name, table in tables.items():
        for constraint, columns in table.unique.items():
            if table.is_spread and EVENT not in columns:
                wrong.append(f"{name}: {constraint} is unique without {EVENT}")
        for constraint, (ours, other, theirs) in table.foreign.items():
            leads_to_event = other in tables and tables[other].is_spread
            if table.is_spread != leads_to_event:
                wrong.append(f"{name}: {constraint} leads from one plane to the other")
            elif table.is_spread and (EVENT, EVENT) not in zip(ours, theirs, strict=True):
                wrong.append(f"{name}: {constraint} does not contain {EVENT}")
    return wrong


@cache
def schema() -> dict[str, Table]:
    """Return the schema of the migrations."""
    return read_schema(
        raw.stmt
        for path in sorted(MIGRATIONS.glob("*.sql"))
        for raw in parse_sql(path.read_text(encoding="utf-8"))
    )


# A statement ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Source:
    """Something in FROM: a table, a function, a subquery."""

    # What stands for an event, by column
    events: dict[str, int] = field(default_factory=dict)
    tables: list[int] = field(default_factory=list)  # spread ones in it, each by its event
    has_local: bool = False  # a table of the coordinator
    is_function: bool = False  # that reads no column of a table
    is_inner: bool = True  # no row of it is made up by an outer join
    name: str = ""


class Statement:
    """What a cluster thinks of one statement."""

    def __init__(self, text: str, tables: Mapping[str, Table]) -> None:
        self.problems: list[str] = []
        self._tables = tables
        self._next = count()
        self._parents: dict[int | str, int | str] = {}
        self._named: set[int] = set()  # tables that are compared with a parameter themselves
        self._of_one: set[int] = set()  # those that are compared with one event
        self._names: dict[int, str] = {}
        self._together: list[list[int]] = []  # tables that are joined
        self._with_arrays: list[Source] = []  # tables that are joined with arrays
        self.joins_local = False
        self.locks: list[str] = []  # how it locks spread rows: "one" event, or "any" of several
        (raw,) = parse_sql(text)
        self._run(raw.stmt, [], {})
        self._check_joins()

    # What is asked -----------------------------------------------------------------------------------------

    @property
    def fans_out(self) -> bool:
        """Whether it is sent to all shards, because it names no event."""
        return any(not self._is_named(table) for table in self._names)

    @property
    def is_spread(self) -> bool:
        """Whether it reads or changes spread rows that are there already."""
        return bool(self._names)

    @property
    def unnamed(self) -> list[str]:
        """The tables that are joined with arrays, and do not name their events.

        PostgreSQL concludes that a table is of the one event that another is of, but not that it is of the
        same several events.
        """
        of_one = {self._find(each) for each in self._of_one}
        return [
            source.name
            for source in self._with_arrays
            if not set(source.tables) <= self._named
            and not {self._find(each) for each in source.tables} <= of_one
        ]

    def _is_named(self, table: int) -> bool:
        root = self._find(table)
        return any(self._find(each) == root for each in self._named)

    def _check_joins(self) -> None:
        for tables in self._together:
            if len({self._find(each) for each in tables}) > 1:
                names = sorted({self._names[each] for each in tables})
                self._add(f"joins that are not on {EVENT}: {', '.join(names)}")

    def _add(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    # Events that are equal ---------------------------------------------------------------------------------

    def _find(self, node: int | str) -> int | str:
        while (parent := self._parents.get(node, node)) != node:
            node = parent
        return node

    def _unite(self, one: int | str, other: int | str) -> None:
        self._parents[self._find(one)] = self._find(other)

    # Queries -----------------------------------------------------------------------------------------------

    def _run(self, query: Any, outer: list[dict[str, Source]], ctes: dict[str, Source]) -> Source:
        ctes = dict(ctes)
        for cte in query.withClause.ctes if getattr(query, "withClause", None) else ():
            if query.withClause.recursive:
                ctes[cte.ctename] = Source()
            made = self._run(cte.ctequery, outer, ctes)
            # What is materialized is computed first, and sent to where it is needed
            is_apart = cte.ctematerialized == CTEMaterialize.CTEMaterializeAlways
            ctes[cte.ctename] = Source(name=cte.ctename) if is_apart else made
        match query:
            case ast.SelectStmt():
                return self._select(query, outer, ctes)
            case ast.InsertStmt():
                return self._insert(query, outer, ctes)
            case ast.UpdateStmt() | ast.DeleteStmt():
                return self._change(query, outer, ctes)
        raise AssertionError(type(query).__name__)

    def _select(self, query: Any, outer: list[dict[str, Source]], ctes: dict[str, Source]) -> Source:
        if query.op != SetOperation.SETOP_NONE:
            left, right = self._run(query.larg, outer, ctes), self._run(query.rarg, outer, ctes)
            for column in left.events.keys() & right.events.keys():
                self._unite(left.events[column], right.events[column])
            return Source(left.events, left.tables + right.tables, left.has_local or right.has_local)
        if query.valuesLists is None and not query.targetList:
            self._add("SELECT without a column")
        scope: dict[str, Source] = {}
        conditions = list(self._from(query.fromClause or (), scope, outer, ctes))
        scopes = [scope, *outer]
        self._compare([query.whereClause, *conditions], scopes)
        made = self._gather(scope, query, scopes, ctes)
        self._check_locks(query, scope, made)
        for target in query.targetList or ():
            if isinstance(target.val, ast.ColumnRef):
                event = self._event_of(target.val, scopes[:1])
                if event is not None:
                    made.events[target.name or target.val.fields[-1].sval] = event
        return made

    def _gather(
        self, scope: dict[str, Source], query: Any, scopes: list[dict[str, Source]], ctes: dict[str, Source]
    ) -> Source:
        """Return what the parts of a query have together, subqueries in its expressions included."""
        made = Source()
        for source in scope.values():
            made.tables += source.tables
            made.has_local |= source.has_local
        joined = [source.tables for source in scope.values() if source.tables]
        for sublink in _sublinks(query):
            inner = self._run(sublink.subselect, scopes, ctes)
            if self._reads(sublink.subselect, scope, ctes):
                joined += [inner.tables] if inner.tables else []
                made.has_local |= inner.has_local
                if inner.tables and any(
                    source.is_function and self._reads(sublink.subselect, {name: source}, ctes)
                    for name, source in scope.items()
                ):
                    self._add("a subquery over a table function")
        if made.has_local and joined:
            self.joins_local = True
        if len(joined) > 1:
            self._together.append([table for tables in joined for table in tables])
        if any(source.is_function for source in scope.values()):
            direct = [source for source in scope.values() if len(source.tables) == 1 and source.name]
            self._with_arrays += [source for source in direct if source.is_inner]
        return made

    def _insert(self, query: Any, outer: list[dict[str, Source]], ctes: dict[str, Source]) -> Source:
        table = self._tables.get(query.relation.relname)
        if query.selectStmt is not None:
            self._run(query.selectStmt, outer, ctes)
        if table is not None and table.is_spread:
            columns = {column.name for column in query.cols or ()}
            if EVENT not in columns:
                self._add(f"inserts rows without {EVENT}")
            if query.onConflictClause is not None:
                self._check_functions(query.onConflictClause)
        return Source(has_local=table is None or not table.is_spread)

    def _change(self, query: Any, outer: list[dict[str, Source]], ctes: dict[str, Source]) -> Source:
        is_update = isinstance(query, ast.UpdateStmt)
        others = query.fromClause if is_update else query.usingClause
        scope: dict[str, Source] = {}
        conditions = list(self._from((query.relation, *(others or ())), scope, outer, ctes))
        scopes = [scope, *outer]
        self._compare([query.whereClause, *conditions], scopes)
        made = self._gather(scope, query, scopes, ctes)
        table = self._tables.get(query.relation.relname)
        if table is not None and table.is_spread:
            self._check_functions(query)
        made.events = {EVENT: made.tables[0]} if made.tables else {}
        return made

    # FROM --------------------------------------------------------------------------------------------------

    def _from(
        self,
        items: Iterable[Any],
        scope: dict[str, Source],
        outer: list[dict[str, Source]],
        ctes: dict[str, Source],
        *,
        is_inner: bool = True,
    ) -> Iterator[Any]:
        """Add what stands in FROM to a scope; yield the conditions of its joins."""
        for item in items:
            match item:
                case ast.JoinExpr():
                    left = is_inner and item.jointype in (JoinType.JOIN_INNER, JoinType.JOIN_LEFT)
                    right = is_inner and item.jointype in (JoinType.JOIN_INNER, JoinType.JOIN_RIGHT)
                    yield from self._from([item.larg], scope, outer, ctes, is_inner=left)
                    before = list(scope)
                    yield from self._from([item.rarg], scope, outer, ctes, is_inner=right)
                    yield item.quals
                    if EVENT in _names(item.usingClause):
                        for one in before:
                            for other in set(scope) - set(before):
                                if EVENT in scope[one].events and EVENT in scope[other].events:
                                    self._unite(scope[one].events[EVENT], scope[other].events[EVENT])
                case ast.RangeVar():
                    source = self._table(item, ctes)
                    source.is_inner = is_inner
                    scope[item.alias.aliasname if item.alias else item.relname] = source
                case ast.RangeSubselect():
                    above = [scope, *outer] if item.lateral else outer
                    made = self._run(item.subquery, above, ctes)
                    if item.lateral and made.tables:
                        over = [n for n, s in scope.items() if s.is_function]
                        if any(self._reads(item.subquery, {name: scope[name]}, ctes) for name in over):
                            self._add("LATERAL over a table function")
                    scope[item.alias.aliasname] = made
                case ast.RangeFunction():
                    scope[item.alias.aliasname if item.alias else ""] = self._function(item, scope)

    def _table(self, item: Any, ctes: dict[str, Source]) -> Source:
        if item.relname in ctes:
            cte = ctes[item.relname]
            return Source(dict(cte.events), list(cte.tables), cte.has_local)
        table = self._tables.get(item.relname)
        if table is None or not table.is_spread:
            return Source(has_local=True, name=item.relname)
        event = next(self._next)
        self._names[event] = item.relname
        return Source({EVENT: event}, [event], name=item.relname)

    def _function(self, item: Any, scope: dict[str, Source]) -> Source:
        columns = _names(item.alias.colnames) if item.alias else ()
        reads = any(
            isinstance(each, ast.ColumnRef) and each.fields[0].sval in scope
            for each in _walk(item.functions)
            if not isinstance(getattr(each, "fields", [None])[0], ast.A_Star)
        )
        events = {EVENT: next(self._next)} if EVENT in columns else {}
        return Source(events, is_function=not reads)

    def _reads(self, query: Any, scope: Mapping[str, Source], ctes: Mapping[str, Source]) -> bool:
        """Return whether a subquery reads columns of these sources, named by their alias."""
        inner = {
            each.alias.aliasname if getattr(each, "alias", None) else each.relname
            for each in _walk(query)
            if isinstance(each, ast.RangeVar) or (hasattr(each, "alias") and each.alias is not None)
        }
        del ctes
        return any(
            isinstance(each, ast.ColumnRef)
            and len(each.fields) > 1
            and each.fields[0].sval in scope
            and each.fields[0].sval not in inner
            for each in _walk(query)
        )

    # Conditions --------------------------------------------------------------------------------------------

    def _compare(self, conditions: Iterable[Any], scopes: list[dict[str, Source]]) -> None:
        for condition in conditions:
            for each in _conjuncts(condition):
                if not isinstance(each, ast.A_Expr) or [name.sval for name in each.name] != ["="]:
                    continue
                if each.kind == A_Expr_Kind.AEXPR_OP:
                    left, right = _row(each.lexpr), _row(each.rexpr)
                    if len(left) == len(right):
                        for one, other in zip(left, right, strict=True):
                            self._equal(one, other, scopes)
                elif each.kind == A_Expr_Kind.AEXPR_OP_ANY:
                    self._equal(each.lexpr, each.rexpr, scopes, is_one=False)

    def _equal(self, one: Any, other: Any, scopes: list[dict[str, Source]], *, is_one: bool = True) -> None:
        left, right = self._event_of(one, scopes), self._event_of(other, scopes)
        if left is not None and right is not None:
            self._unite(left, right)
        for event, value in ((left, other), (right, one)):
            if event is not None and (parameter := _parameter(value)) is not None:
                self._unite(event, f"${parameter}")
                self._named.add(event)
                if is_one:
                    self._of_one.add(event)

    def _event_of(self, expression: Any, scopes: list[dict[str, Source]]) -> int | None:
        """Return which event a column is of; None: it is another column, or no column."""
        if not isinstance(expression, ast.ColumnRef):
            return None
        fields = [each.sval for each in expression.fields if isinstance(each, ast.String)]
        if len(fields) != len(expression.fields):
            return None
        for scope in scopes:
            if len(fields) > 1:
                if fields[0] in scope:
                    return scope[fields[0]].events.get(fields[1])
            else:
                for source in scope.values():
                    if fields[0] in source.events:
                        return source.events[fields[0]]
        return None

    # Locks and functions -----------------------------------------------------------------------------------

    def _check_locks(self, query: Any, scope: dict[str, Source], made: Source) -> None:
        if not query.lockingClause or not made.tables:
            return
        only = list(scope.values())
        if len(only) != 1 or len(made.tables) != 1 or only[0].name == "":
            self._add("locks rows of a join or a subquery")
            return
        (table,) = made.tables
        if table not in self._named:
            self._add("locks rows of several shards")
        how = {
            "any" if each.kind == A_Expr_Kind.AEXPR_OP_ANY else "one"
            for each in _conjuncts(query.whereClause)
            if isinstance(each, ast.A_Expr)
            and isinstance(each.lexpr, ast.ColumnRef)
            and each.lexpr.fields[-1].sval == EVENT
        }
        self.locks += sorted(how)

    def _check_functions(self, query: Any) -> None:
        for each in _walk(query):
            if isinstance(each, ast.FuncCall) and each.funcname[-1].sval not in IMMUTABLE:
                self._add(f"{each.funcname[-1].sval}() in a change of spread rows")
            if isinstance(each, ast.A_Expr) and [name.sval for name in each.name] in (["+"], ["-"]):
                sides = [side for side in (each.lexpr, each.rexpr) if isinstance(side, ast.TypeCast)]
                if any(side.typeName.names[-1].sval in ("interval", "timestamptz") for side in sides):
                    self._add("an instant is computed in a change of spread rows")


def _walk(node: Any, closed: tuple[type, ...] = ()) -> Iterator[Any]:
    """Yield a node of a syntax tree, and all nodes in it, but none that are in a node of a `closed` type."""
    if isinstance(node, tuple | list):
        for each in node:
            yield from _walk(each, closed)
    elif isinstance(node, ast.Node):
        yield node
        if not isinstance(node, closed):
            for name in list(node.__slots__):
                yield from _walk(getattr(node, name), closed)


def _sublinks(query: Any) -> Iterator[Any]:
    """Yield the subqueries in the expressions of a query, not those in them or in its FROM."""
    names = ("targetList", "whereClause", "havingClause", "groupClause", "sortClause", "limitCount", "cols")
    parts = [getattr(query, name, None) for name in names]
    froms = [getattr(query, "fromClause", None), getattr(query, "usingClause", None)]
    parts += [each.quals for each in _joins(froms)]
    yield from _outermost(parts)


def _outermost(node: Any) -> Iterator[Any]:
    """Yield the subqueries in an expression, not those in them."""
    for each in _walk(node, closed=(ast.SubLink,)):
        if isinstance(each, ast.SubLink):
            yield each
            yield from _outermost(each.testexpr)


def _joins(node: Any) -> Iterator[Any]:
    """Yield the joins of a FROM, not those in its subqueries."""
    subqueries = (ast.SubLink, ast.RangeSubselect, ast.RangeFunction)
    return (each for each in _walk(node, subqueries) if isinstance(each, ast.JoinExpr))


def _conjuncts(condition: Any) -> Iterator[Any]:
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        for each in condition.args:
            yield from _conjuncts(each)
    elif condition is not None:
        yield condition


def _row(expression: Any) -> Sequence[Any]:
    return expression.args if isinstance(expression, ast.RowExpr) else (expression,)


def _parameter(expression: Any) -> int | None:
    while isinstance(expression, ast.TypeCast):
        expression = expression.arg
    return expression.number if isinstance(expression, ast.ParamRef) else None


def groups(listed: Mapping[str, str]) -> dict[str, str]:
    """Return each statement of a list of reasons, with its reason."""
    found: dict[str, str] = defaultdict(str)
    for reason, names in listed.items():
        for name in names.split():
            assert name not in found, f"{name} is listed twice"
            found[name] = reason
    return dict(found)
