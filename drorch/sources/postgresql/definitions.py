"""The queries that list what is defined in a database, without owners, privileges and what belongs to extensions.

Each row is one thing, told by names only: no oid, no number of a column, nothing that a restore changes.
"""

# ruff: noqa: S608  (put together of constants)

from typing import Final, LiteralString

_OURS: LiteralString = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_'"


def _unowned(catalog: LiteralString, alias: LiteralString) -> LiteralString:
    """Condition: in a schema of the users', and no member of an extension."""
    member: LiteralString = (
        " and not exists (select from pg_catalog.pg_depend d where d.deptype = 'e' and d.classid = 'pg_catalog."
    )
    return _OURS + member + catalog + "'::regclass and d.objid = " + alias + ".oid)"


_CLASS: LiteralString = _unowned("pg_class", "c") + " and c.relpersistence <> 't'"
_FROM_CLASS: LiteralString = "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "

LISTINGS: Final[dict[str, LiteralString]] = {
    "schema": "select n.nspname from pg_catalog.pg_namespace n where " + _unowned("pg_namespace", "n"),
    "relation": "select n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,"
    " c.relreplident, c.reloptions, pg_catalog.pg_get_partkeydef(c.oid), pg_catalog.pg_get_expr(c.relpartbound, c.oid),"
    " (select pg_catalog.array_agg(i.inhparent::regclass::text order by i.inhseqno) from pg_catalog.pg_inherits i"
    " where i.inhrelid = c.oid) " + _FROM_CLASS + "where c.relkind in ('r','p','v','m','S','f','c') and " + _CLASS,
    "column": "select n.nspname, c.relname, a.attname, row_number() over (partition by c.oid order by a.attnum),"
    " pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_catalog.pg_get_expr(e.adbin, e.adrelid),"
    " a.attidentity, a.attgenerated, case when a.attcollation <> t.typcollation then a.attcollation::regcollation::text"
    " end "
    + _FROM_CLASS
    + "join pg_catalog.pg_attribute a on a.attrelid = c.oid join pg_catalog.pg_type t on t.oid = a.atttypid left join"
    " pg_catalog.pg_attrdef e on e.adrelid = c.oid and e.adnum = a.attnum where a.attnum > 0 and not a.attisdropped"
    " and c.relkind in ('r','p','v','m','f','c') and " + _CLASS,
    "constraint": "select n.nspname, o.conrelid::regclass::text, o.contypid::regtype::text, o.conname,"
    " pg_catalog.pg_get_constraintdef(o.oid) from pg_catalog.pg_constraint o join pg_catalog.pg_namespace n on"
    " n.oid = o.connamespace left join pg_catalog.pg_class c on c.oid = o.conrelid where o.contype not in ('n', 't')"
    " and coalesce(c.relpersistence, 'p') <> 't' and not exists (select from pg_catalog.pg_depend d where"
    " d.deptype = 'e' and d.objid in (o.conrelid, o.contypid) and d.objid <> 0) and " + _OURS,
    "index": "select pg_catalog.pg_get_indexdef(c.oid), x.indisvalid, x.indisclustered, x.indisreplident "
    + _FROM_CLASS
    + "join pg_catalog.pg_index x on x.indexrelid = c.oid where not exists (select from pg_catalog.pg_depend d where"
    " d.deptype = 'e' and d.objid = x.indrelid) and " + _CLASS,
    "view": "select n.nspname, c.relname, pg_catalog.pg_get_viewdef(c.oid) "
    + _FROM_CLASS
    + "where c.relkind in ('v','m') and "
    + _CLASS,
    "sequence": "select n.nspname, c.relname, s.seqtypid::regtype::text, s.seqstart, s.seqincrement, s.seqmax,"
    " s.seqmin, s.seqcache, s.seqcycle "
    + _FROM_CLASS
    + "join pg_catalog.pg_sequence s on s.seqrelid = c.oid where "
    + _CLASS,
    "function": "select n.nspname, pg_catalog.pg_get_functiondef(p.oid) from pg_catalog.pg_proc p join"
    " pg_catalog.pg_namespace n on n.oid = p.pronamespace where p.prokind <> 'a' and " + _unowned("pg_proc", "p"),
    "aggregate": "select p.oid::regprocedure::text, a.aggtransfn::text, a.aggfinalfn::text,"
    " a.aggtranstype::regtype::text, a.agginitval from pg_catalog.pg_proc p join"
    " pg_catalog.pg_aggregate a on a.aggfnoid = p.oid join"
    " pg_catalog.pg_namespace n on n.oid = p.pronamespace where " + _unowned("pg_proc", "p"),
    "trigger": "select pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled "
    + _FROM_CLASS
    + "join pg_catalog.pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal and "
    + _CLASS,
    "rule": "select pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled "
    + _FROM_CLASS
    + "join pg_catalog.pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN' and "
    + _CLASS,
    "policy": "select n.nspname, c.relname, p.polname, p.polcmd, p.polpermissive, pg_catalog.pg_get_expr(p.polqual,"
    " p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) "
    + _FROM_CLASS
    + "join pg_catalog.pg_policy p on p.polrelid = c.oid where "
    + _CLASS,
    "enum": "select n.nspname, t.typname, pg_catalog.array_agg(e.enumlabel::text order by e.enumsortorder) from"
    " pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace join pg_catalog.pg_enum e on"
    " e.enumtypid = t.oid where " + _unowned("pg_type", "t") + " group by 1, 2",
    "domain": "select n.nspname, t.typname, pg_catalog.format_type(t.typbasetype, t.typtypmod), t.typnotnull,"
    " t.typdefault from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace where"
    " t.typtype = 'd' and " + _unowned("pg_type", "t"),
    "range": "select n.nspname, t.typname, r.rngsubtype::regtype::text from pg_catalog.pg_type t join"
    " pg_catalog.pg_namespace n on n.oid = t.typnamespace join pg_catalog.pg_range r on r.rngtypid = t.oid where "
    + _unowned("pg_type", "t"),
    "statistics": "select pg_catalog.pg_get_statisticsobjdef(s.oid) from pg_catalog.pg_statistic_ext s join"
    " pg_catalog.pg_namespace n on n.oid = s.stxnamespace where " + _unowned("pg_statistic_ext", "s"),
    "event trigger": "select evtname, evtevent, evtfoid::regproc::text, evtenabled, evttags from"
    " pg_catalog.pg_event_trigger",
}
"""Kind of thing -> query. They need PostgreSQL 12 or newer, and an empty search path."""
