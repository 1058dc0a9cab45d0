"""Asks one engine (duckdb or clickhouse) about an exported period in Parquet; prints the answers as JSON. Exit 3: no such library."""
import json
import sys

engine, file = sys.argv[1], sys.argv[2].replace("'", "''")
try:
    if engine == "duckdb":
        import duckdb

        source = f"'{file}'"
        micros = "epoch_us({})"

        def ask(text):
            return [list(row) for row in duckdb.sql(text).fetchall()]
    else:
        import chdb

        source = f"file('{file}', Parquet)"
        micros = "toUnixTimestamp64Micro({})"

        def ask(text):
            answer = chdb.query(text, "JSONCompact")
            return json.loads(str(answer))["data"]
except ImportError:
    sys.exit(3)


def as_map(rows):
    return {name: int(value) for name, value in rows}


[[rows, first_event, last_event, first, last]] = ask(
    f"SELECT count(*), min(event), max(event), {micros.format('min(time)')}, {micros.format('max(time)')} FROM {source}"
)
print(
    json.dumps(
        {
            "rows": int(rows),
            "verdicts": as_map(ask(f"SELECT verdict, count(*) FROM {source} GROUP BY verdict ORDER BY verdict")),
            "bytes_by_host": as_map(
                ask(f"SELECT host, sum(bytes_down) FROM {source} WHERE kind = 'request' GROUP BY host ORDER BY host")
            ),
            "first_event": first_event,
            "last_event": last_event,
            "first_microsecond": int(first),
            "last_microsecond": int(last),
            "blocked": [
                host + (path or "")
                for host, path in ask(
                    f"SELECT host, path FROM {source} WHERE kind = 'request' AND verdict = 'block' ORDER BY time, seq"
                )
            ],
        }
    )
)
