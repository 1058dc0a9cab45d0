#!/usr/bin/env python3
"""A second check of export bundles, on the standard library alone.

    bundle.py DIRECTORY

Written from docs/records-bundle.md and docs/records-proof.md, not from Weir's code. It checks the sums and their signature, the
checkpoints, every row's leaf, the subtrees, and that no row of the person was left out of a segment that meets the period.
Exit status: 0 everything fits, 1 something does not.
"""

import base64
import hashlib
import json
import os
import sys

from rfc6962 import FIELDS, U16, U64, entries, is_signed, micros, public_key, sha256

GROUPS = ["row", "who", "target", "content"]


def b64(text):
    return base64.b64decode(text, validate=True)


def read(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as file:
        return file.read()


def lines(directory, name):
    return [json.loads(line) for line in read(directory, name).split("\n")[:-1]]


def leaf(line, row):
    """The leaf of a line, from the row that is shown, or from commitments alone."""
    parts = []
    for group, word in enumerate(GROUPS):
        data = b""
        for number, name, encode in FIELDS[group] if row else []:
            value = encode(row[name]) if name in row and row[name] != "" else None
            if value is not None:
                data += bytes([number]) + U16(len(value)) + value
        if word in line.get("salts", {}):
            assert data and word not in line.get("commitments", {}), "a group that is shown has no field"
            parts.append(sha256(b"\x02", bytes([group]), bytes.fromhex(line["salts"][word]), data))
        else:
            assert not data, "fields are shown that nothing opens"
            parts.append(b64(line["commitments"][word]) if word in line.get("commitments", {}) else bytes(32))
    time = line["time"].to_bytes(8, "big", signed=True)
    return sha256(b"\x00\x02", U64(line["seq"]), time, bytes.fromhex(line["tag"]), *parts)


def subtree(leaves, nodes, level, place):
    """Hash of a whole subtree, or None when nothing of it is known."""
    if level == 0 and place in leaves:
        return leaves[place]
    if (level, place) in nodes:
        return nodes[level, place]
    if level == 0:
        return None
    left, right = (subtree(leaves, nodes, level - 1, 2 * place + side) for side in (0, 1))
    return sha256(b"\x01", left, right) if left and right else None


def parts(start, end):
    """First leaf and level of each largest whole subtree."""
    while start < end:
        level = 0
        while start % (2 << level) == 0 and start + (2 << level) <= end:
            level += 1
        yield start, level
        start += 1 << level


def entry_bytes(entry):
    return bytes.fromhex(entry["tag"]) + U64(entry["rows"]) + U64(entry["first"]) + U64(entry["last"]) + b64(entry["digest"])


def prove(entry, size, root, rows):
    """The entry is in the users tree of this root, which has so many rows."""
    at, last = entry["index"], size - 1
    assert at <= last, "an entry lies beyond the tree"
    count, value = entry["rows"], sha256(b"\x05", entry_bytes(entry))
    for beside_rows, beside in entry["path"]:
        while at == last and at % 2 == 0 and last:
            at, last = at // 2, last // 2
        assert last, "a way is too long"
        pair = [b64(beside), value] if at % 2 else [value, b64(beside)]
        count += beside_rows
        value = sha256(b"\x06", U64(count), *pair)
        at, last = at // 2, last // 2
    while at == last and at % 2 == 0 and last:
        at, last = at // 2, last // 2
    assert last == 0 and value == root and count == rows, "an entry is not proved"


def check_sums(directory, keys):
    listed = dict(reversed(line.split("  ", 1)) for line in read(directory, "SHA256SUMS").splitlines())
    there = {
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _, names in os.walk(directory)
        for name in names
    } - {"SHA256SUMS", "SHA256SUMS.note"}
    assert there == set(listed), "other files are there than listed"
    for name, value in listed.items():
        with open(os.path.join(directory, name), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == value, f"{name} is another file"
    note, signatures = read(directory, "SHA256SUMS.note").rsplit("\n\n", 1)
    digest = hashlib.sha256(read(directory, "SHA256SUMS").encode()).hexdigest()
    assert note == f"weir-bundle-1\n{digest}", "the note signs another list"
    signed = [key for key in keys if is_signed(note + "\n", signatures.splitlines(), key)]
    assert signed, "no key of the logs signed it"


def follow(directory, node):
    """Checkpoints of a node: the key in force, subtrees with their hashes, and what is sealed."""
    key, previous, size, found, sealed = None, "-", 0, [], {}
    for number, (note, signatures, hashes) in enumerate(entries(os.path.join(directory, "log", node)), 1):
        origin, count, root, *rest = note.rstrip("\n").split("\n")
        said = [line.split(" ", 1) for line in rest]
        words = dict(said)
        key = public_key(words["key"]) if number == 1 else key
        assert key[0] == origin and words["number"] == str(number) and words["previous"] == previous, "checkpoints do not follow"
        assert is_signed(note, signatures, key), f"checkpoint {number} is not signed"
        hashes = [] if hashes == ["-"] else [b64(line) for line in hashes]
        own = list(parts(size, int(count)))
        assert len(own) == len(hashes), "subtrees do not fit"
        found += [(first, level, value) for (first, level), value in zip(own, hashes)]
        size = int(count)
        # The root of all subtrees so far: neighbours of one size become one, then from right to left.
        stack = []
        for first, level, value in found:
            while stack and stack[-1][1] == level and stack[-1][0] // (1 << level) % 2 == 0:
                first, _, left = stack.pop()
                value, level = sha256(b"\x01", left, value), level + 1
            stack.append((first, level, value))
        value = stack[-1][2]
        for _, _, left in reversed(stack[:-1]):
            value = sha256(b"\x01", left, value)
        assert value == b64(root), f"the root of checkpoint {number} is another"
        for word, line in said:
            if word == "sealed":
                path, _, *numbers, users = line.split(" ")
                sealed[path] = [int(value) for value in numbers] + [b64(users)]
            if word == "removed":
                sealed = {path: value for path, value in sealed.items() if path.split("/")[0] != line}
        previous = base64.b64encode(sha256(note.encode())).decode()
        key = public_key(words["next-key"]) if "next-key" in words else key
    return key, found, sealed


def main():
    directory = sys.argv[1]
    asked = json.loads(read(directory, "query.json"))
    nodes = sorted(os.listdir(os.path.join(directory, "log")))
    logs = {node: follow(directory, node) for node in nodes}

    proof = lines(directory, "proof.jsonl")
    shown = {"row": {}, "context": {}}
    for why, name in [("row", "rows.jsonl"), ("context", "context.jsonl")]:
        for row in lines(directory, name):
            assert shown[why].setdefault((row["node"], row["seq"]), row) is row, "a row stands twice"
    for line in proof:
        row = shown[line["why"]].pop((line["node"], line["seq"])) if line["why"] in shown else None
        if line["why"] == "erased":
            assert "event" in line and line["time"] == 0 and "salts" not in line and "commitments" not in line
            continue
        assert "event" not in line, "only of erased rows an event is named"
        assert leaf(line, row) == b64(line["leaf"]), f"row {line['seq']} is not what was signed"
        assert row is None or micros(row["time"]) == line["time"], "a time is another"
    assert not shown["row"] and not shown["context"], "a row has no proof"
    print(f"{len(proof)} rows recomputed from what is shown")

    start, end = (micros(asked["query"][word]) if word in asked["query"] else -(2**63) for word in ("from", "to"))
    segments = {(line["node"], line["path"]): line for line in lines(directory, "segments.jsonl")}
    met = 0
    for node, (_, _, sealed) in logs.items() if asked["subject"] else []:
        tag = asked["subject"]["tags"][node]
        for path, (first, last, earliest, latest, rows, size, root) in sealed.items():
            if not (earliest < end and latest >= start):
                continue
            met += 1
            line = segments.pop((node, path))
            own = [row for row in proof if row["node"] == node and row["tag"] == tag and first <= row["seq"] <= last]
            own.sort(key=lambda row: row["seq"])
            beside = [line.get("before"), line.get("after")]
            for entry in [line.get("present"), *beside]:
                if entry:
                    prove(entry, size, root, rows)
            if "present" in line:
                entry = line["present"]
                assert entry["tag"] == tag and entry["rows"] == len(own), f"rows were left out of {path}"
                digest = sha256(*[b64(row["leaf"]) for row in own])
                ends = (own[0]["seq"], own[-1]["seq"])
                assert (entry["first"], entry["last"]) == ends and b64(entry["digest"]) == digest, f"other rows in {path}"
            else:
                before, after = beside
                assert not own and (before or after), f"rows of {path} are not accounted for"
                assert not before or before["tag"] < tag
                assert not after or after["tag"] > tag
                low = before["index"] if before else -1
                assert (after["index"] if after else size) == low + 1, f"{path}: not neighbours"
        for row in proof:
            if row["node"] == node and row["why"] != "context":
                inside = row["why"] == "erased" or start <= row["time"] < end
                assert row["tag"] == tag and inside == (row["why"] != "outside"), f"row {row['seq']} does not belong here"
    assert not segments, "a line of a segment that no checkpoint names"
    for node, (_, subtrees, _) in logs.items():
        given = {}
        for line in read(directory, f"log/{node}/nodes").splitlines():
            level, place, value = line.split(" ")
            given[int(level), int(place)] = b64(value)
        leaves = {line["index"]: b64(line["leaf"]) for line in proof if line["node"] == node}
        left = set(leaves)
        for first, level, value in subtrees:
            own = {index for index in leaves if first <= index < first + (1 << level)}
            if own:
                assert subtree(leaves, given, level, first >> level) == value, f"leaves from {first} are not in the log"
            left -= own
        assert not left, "a leaf lies in no subtree"

    check_sums(directory, [log[0] for log in logs.values()])
    print(f"{met} segments meet the period, and every row of the person in them is accounted for")


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, KeyError, ValueError, IndexError, OSError) as fault:
        print(f"FAULT {fault!r}")
        sys.exit(1)
