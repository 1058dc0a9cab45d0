#!/usr/bin/env python3
"""A second implementation of Weir's log of records, on the standard library alone.

    rfc6962.py DIRECTORY LEAVES [ROWS]

DIRECTORY is a records directory, LEAVES what `weir-verify --leaves` wrote (node, number and hash of each leaf), ROWS
every row as JSON lines (`weir records export --format jsonl`). Rows may have been erased, and content have expired. Written from docs/records-proof.md and RFC 6962,
RFC 9162 and RFC 8032, not from Weir's code. Exit status: 0 everything fits, 1 something does not.
"""

import base64
import calendar
import glob
import hashlib
import hmac
import json
import os
import re
import sys
import time


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# RFC 6962 section 2.1


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(leaves):
    if not leaves:
        return sha256()
    level = list(leaves)
    # Level by level: an odd last node moves up as it is, which is what the recursive definition comes to.
    while len(level) > 1:
        up = [sha256(b"\x01", level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            up.append(level[-1])
        level = up
    return level[0]


def path(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return path(index, leaves[:k]) + [mth(leaves[k:])]
    return path(index - k, leaves[k:]) + [mth(leaves[:k])]


def subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], whole) + [mth(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [mth(leaves[:k])]


# RFC 9162 sections 2.1.3.2 and 2.1.4.2


def verify_inclusion(leaf, index, size, proof, root):
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\x01", p, r)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            r = sha256(b"\x01", r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root


def verify_consistency(first, first_root, second, second_root, proof):
    if first == second:
        return not proof and first_root == second_root
    proof = list(proof)
    if first & (first - 1) == 0:
        proof.insert(0, first_root)
    if not proof:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\x01", c, fr), sha256(b"\x01", c, sr)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            sr = sha256(b"\x01", sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == first_root and sr == second_root


# Ed25519, RFC 8032 section 5.1 and its appendix

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT = pow(2, (P - 1) // 4, P)


def add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    aa, bb = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    cc, dd = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = bb - aa, dd - cc, dd + cc, bb + aa
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(s, point):
    result = (0, 1, 1, 0)
    while s:
        if s & 1:
            result = add(result, point)
        point = add(point, point)
        s >>= 1
    return result


def equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


def decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519(public, message, signature):
    a, r = decompress(public), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return equal(multiply(s, BASE), add(r, multiply(h, a)))


# docs/records-proof.md: leaves

U64, U32, U16 = (lambda n: n.to_bytes(8, "big")), (lambda n: n.to_bytes(4, "big")), (lambda n: n.to_bytes(2, "big"))


def text(value):
    return value.encode()


def flag(value):
    return b"\x01" if value else None


def event(value):
    return number64(int(value, 16))


def number64(value):
    return U64(value) if value else None


def number16(value):
    return U16(value) if value else None


def micros(value):
    """Microseconds since the epoch of an RFC 3339 moment in UTC."""
    whole = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d+))?Z", value)
    seconds = calendar.timegm(time.strptime(whole[1], "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1_000_000 + int((whole[2] or "0").ljust(6, "0"))


FIELDS = {
    0: [(1, "node", text), (2, "kind", text), (3, "event", event), (5, "duration", number64), (6, "status", number16),
        (7, "error", text), (8, "end", text), (9, "bytes_up", number64), (10, "bytes_down", number64), (11, "note", text), (12, "notice", text),
        (46, "ech", flag), (48, "initiator", text), (49, "inspected", flag), (60, "verdict", text),
        (65, "policy_version", text), (66, "lists_version", text)],
    1: [(20, "user", text), (21, "groups", text), (22, "profile", text), (23, "identity", text),
        (24, "identity_age", U32), (25, "confidence", text), (26, "identity_expires", U32), (30, "device", text), (31, "network", text), (32, "client", text), (33, "client_port", number16),
        (34, "listener", text)],
    2: [(40, "method", text), (41, "scheme", text), (42, "host", text), (43, "port", number16), (44, "origin", text),
        (45, "sni", text), (47, "entry", text), (61, "rule", text), (62, "category", text), (63, "categories", text),
        (64, "list", text)],
    3: [(80, "path", text), (81, "term", text)],
}


def tag(row, tag_key):
    if "user" not in row:
        return bytes(16)
    return hmac.new(tag_key, row["user"].lower().encode(), hashlib.sha256).digest()[:16]


class Salts:
    """The salts of a segment: all derive from its secret, or some are left once rows were erased or content has expired."""

    def __init__(self, data):
        self.secret, self.blocks, self.rows = None, {}, {}
        if data.startswith(b"weir-secret-1 "):
            self.secret = base64.b64decode(data.split()[1], validate=True)
            return
        assert data.startswith(b"weir-salts-1\n"), "these are no salts"
        at = len(b"weir-salts-1\n")

        def take(size):
            nonlocal at
            at += size
            assert at <= len(data), "these salts are cut off"
            return data[at - size : at]

        number = lambda: int.from_bytes(take(8), "big")
        for _ in range(number()):
            block = number()
            self.blocks[block] = take(32)
        for _ in range(number()):
            seq = number()
            self.rows[seq] = take(32), take(32)
        assert at == len(data), "there is something behind these salts"

    def pair(self, seq, k):
        block = self.blocks.get(seq // 16)
        if self.secret is not None:
            block = sha256(b"\x03", self.secret, U64(seq // 16))
        if block is not None:
            return sha256(b"\x04", block, U64(seq), bytes([k]))
        return self.rows[seq][k]


def leaf(row, salts, contents, tag_key):
    seq = row["seq"]
    commitments = []
    for group, fields in FIELDS.items():
        data = b""
        for number, name, encode in fields:
            value = encode(row[name]) if name in row else None
            if value is not None:
                data += bytes([number]) + U16(len(value)) + value
        if group == 3 and not data and seq in contents:
            # It has expired: what it was committed to stays.
            commitments.append(contents[seq])
            continue
        pair = salts.pair(seq, group // 2) if data else bytes(32)
        salt = pair[16:] if group % 2 else pair[:16]
        commitments.append(sha256(b"\x02", bytes([group]), salt, data) if data else bytes(32))
    time = micros(row["time"]).to_bytes(8, "big", signed=True)
    return sha256(b"\x00\x02", U64(seq), time, tag(row, tag_key), *commitments)


def users_tree(entries):
    """Root and number of rows of a users tree, by the recursion of RFC 6962."""
    if len(entries) == 1:
        return sha256(b"\x05", entries[0]), int.from_bytes(entries[0][16:24], "big")
    k = split(len(entries))
    left, left_rows = users_tree(entries[:k])
    right, right_rows = users_tree(entries[k:])
    rows = left_rows + right_rows
    return sha256(b"\x06", U64(rows), left, right), rows


class Segment:
    """A sealed segment with what lies beside it: salts, commitments to content, tombstones, users."""

    def __init__(self, path):
        stem = path[: -len("parquet")]
        self.path, self.stem = path, stem
        self.name = "/".join(path.split(os.sep)[-2:])
        self.first, self.last = (int(end) for end in re.search(r"-(\d+)-(\d+)\.parquet$", path).groups())
        with open(stem + "secret", "rb") as file:
            self.salts = Salts(file.read())
        with open(stem + "content", "rb") as file:
            data = file.read()
        assert len(data) % 40 == 0, "these are no commitments to content"
        self.contents = {int.from_bytes(data[i : i + 8], "big"): data[i + 8 : i + 40] for i in range(0, len(data), 40)}
        self.stones = tombstones(stem + "tombstones")

    def line(self, leaves, rows, said, tag_key):
        """What a checkpoint is to say of the segment, from its rows and tombstones; and whether the users beside it are these."""
        with open(self.path, "rb") as file:
            digest = sha256(file.read())
        people = {row["seq"]: tag(row, tag_key) for row in rows}
        people.update((seq, person) for seq, (_, person, *_) in self.stones.items())
        by_tag = {}
        for seq in sorted(people):
            by_tag.setdefault(people[seq], []).append(seq)
        entries = [
            person + U64(len(seqs)) + U64(seqs[0]) + U64(seqs[-1]) + sha256(*[leaves[seq] for seq in seqs])
            for person, seqs in sorted(by_tag.items())
        ]
        with open(self.stem + "users", "rb") as file:
            is_beside = file.read() == b"".join(entries)
        root, count = users_tree(entries)
        times = [micros(row["time"]) for row in rows]
        if self.stones:
            # When erased rows began is not known any more; those that are left lie within what was said.
            times += [int(word) for word in said.split(" ")[4:6]]
        b64 = lambda value: base64.b64encode(value).decode()
        first, last = min(people), max(people)
        line = f"{self.name} {b64(digest)} {first} {last} {min(times)} {max(times)} {count} {len(entries)} {b64(root)}"
        return line, is_beside


def tombstones(path):
    """What is left of erased rows: leaf, tag, why and the event that tells of it, by number."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="ascii") as file:
        lines = iter(file.read().splitlines())
    assert next(lines) == "weir-tombstones-2", "these are no tombstones"
    found = {}
    for head in lines:
        numbers, why, event_id = head.split(" ")
        first, last = (int(end) for end in numbers.split("-"))
        assert why in ("erasure", "retention")
        for seq in range(first, last + 1):
            value, person = next(lines).split(" ")
            found[seq] = base64.b64decode(value, validate=True), bytes.fromhex(person), why, event_id
    return found


def buried(segments, rows):
    """Faults of tombstones: a later row tells of each, and of as many as there are."""
    told = {row["event"]: row for row in rows if row["kind"] in ("erasure", "retention")}
    count, last, kind = {}, {}, {}
    for segment in segments:
        for seq, (_, _, why, event_id) in segment.stones.items():
            count[event_id] = count.get(event_id, 0) + 1
            last[event_id] = max(seq, last.get(event_id, 0))
            kind[event_id] = why
    for event_id, number in sorted(count.items()):
        row = told.get(event_id)
        if row is None or row["kind"] != kind[event_id]:
            yield f"no row tells of the {number} rows that event {event_id} took out"
        elif row["seq"] < last[event_id]:
            yield f"row {row['seq']} tells of rows that came after it"
        else:
            form = r"(\d+) rows of " if row["kind"] == "erasure" else r".* and (\d+) rows of others$"
            says = re.match(form, row["note"])
            if says is None or int(says[1]) != number:
                yield f"row {row['seq']} tells of another number than the {number} rows that were taken out"


# C2SP signed-note and tlog-checkpoint


def public_key(text):
    name, number, encoded = text.split("+", 2)
    data = base64.b64decode(encoded, validate=True)
    assert data[0] == 1 and len(data) == 33
    assert sha256(name.encode(), b"\n", data)[:4].hex() == number, "the key's number is not its own"
    return name, bytes.fromhex(number), data[1:]


def entries(directory):
    with open(os.path.join(directory, "checkpoints"), encoding="utf-8") as file:
        parts = file.read().split("\n\n")
    assert parts.pop() == "" and len(parts) % 3 == 0, "the file of checkpoints has another form"
    return [(parts[i] + "\n", parts[i + 1].split("\n"), parts[i + 2].split("\n")) for i in range(0, len(parts), 3)]


def others(line):
    """What of a line about a segment never changes: all but the digest of its bytes."""
    words = line.split(" ")
    return words[:1] + words[2:]


def is_signed(note, lines, key):
    name, number, public = key
    for line in lines:
        dash, signer, encoded = line.split(" ")
        data = base64.b64decode(encoded, validate=True)
        if dash == "\u2014" and signer == name and data[:4] == number and ed25519(public, note.encode(), data[4:]):
            return True
    return False


def main():
    directory, leaves_file = sys.argv[1], sys.argv[2]
    faults = []

    leaves = {}
    with open(leaves_file, encoding="ascii") as file:
        for line in file:
            node, seq, value = line.split()
            leaves.setdefault(node, {})[int(seq)] = base64.b64decode(value, validate=True)
    node = "weir"
    own = leaves.get(node, {})

    recomputed = 0
    rows = []
    with open(os.path.join(directory, "log", node, "tag-key"), encoding="ascii") as file:
        word, value = file.read().split()
    assert word == "weir-tag-key-1"
    tag_key = base64.b64decode(value, validate=True)
    segments = []
    if len(sys.argv) > 3:
        segments = [Segment(path) for path in sorted(glob.glob(os.path.join(directory, "segments", "*", "*.parquet")))]
        with open(sys.argv[3], encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                rows.append(row)
                segment = next(segment for segment in segments if segment.first <= row["seq"] <= segment.last)
                if leaf(row, segment.salts, segment.contents, tag_key) != own.get(row["seq"]):
                    faults.append(f"the leaf of row {row['seq']} is another")
                recomputed += 1
    there = {row["seq"] for row in rows}
    buried_rows = 0
    for segment in segments:
        for seq, (value, *_) in segment.stones.items():
            if seq in there or value != own.get(seq):
                faults.append(f"the tombstone of row {seq} is not what is left of it")
            buried_rows += 1
    faults.extend(buried(segments, rows))
    print(f"{buried_rows} tombstones")
    print(f"{recomputed} rows recomputed from their fields")

    hashes = [own[seq] for seq in sorted(own)]
    rows.sort(key=lambda row: row["seq"])
    key, previous, trees, sealed = None, "-", [], {}
    for number, (note, lines, subtrees) in enumerate(entries(os.path.join(directory, "log", node)), 1):
        origin, size, root, *rest = note.rstrip("\n").split("\n")
        said = [line.split(" ", 1) for line in rest]
        words = dict(said)
        if number == 1:
            key = public_key(words["key"])
        if key[0] != origin or words["number"] != str(number) or words["previous"] != previous:
            faults.append(f"checkpoint {number} does not follow the one before")
        if not is_signed(note, lines, key):
            faults.append(f"checkpoint {number} has no valid signature of its key")
        fingerprint = base64.b64encode(sha256(b"\x07", tag_key)).decode()
        if number == 1 and words["tag-key"] != fingerprint:
            faults.append("the tag key is not that of the log")
        for word, value in said:
            if word == "sealed":
                name = value.split(" ")[0]
                if name in sealed and others(sealed[name]) != others(value):
                    faults.append(f"checkpoint {number} says something else of {name} than one before")
                sealed[name] = value
            if word == "retain":
                assert re.fullmatch(r"\d+ \d+", value), "a time is two numbers of seconds"
        if "next-key" in words:
            key = public_key(words["next-key"])
        previous = base64.b64encode(sha256(note.encode())).decode()
        size, root = int(size), base64.b64decode(root, validate=True)
        if len(hashes) < size or mth(hashes[:size]) != root:
            faults.append(f"the root of checkpoint {number} is another")
        else:
            trees.append((size, root))
    print(f"{number} checkpoints verified")
    rebuilt = 0
    for segment in segments:
        inside = [row for row in rows if segment.first <= row["seq"] <= segment.last]
        said = sealed.get(segment.name, "")
        line, is_beside = segment.line(own, inside, said, tag_key) if said else ("", False)
        if line != said or not is_beside:
            faults.append(f"the users or numbers of {segment.name} are others")
        rebuilt += 1
    print(f"{rebuilt} users trees rebuilt")

    count = 0
    for size, root in trees:
        for index in sorted({0, size // 3, size // 2, size - 1}) if size else []:
            proof = path(index, hashes[:size])
            if not verify_inclusion(hashes[index], index, size, proof, root):
                faults.append(f"leaf {index} is not proved to be in the tree of {size}")
            if verify_inclusion(sha256(hashes[index]), index, size, proof, root):
                faults.append("a wrong leaf is proved")
            count += 1
    print(f"{count} inclusion proofs")

    count = 0
    for (first, first_root), (second, second_root) in zip(trees, trees[1:]):
        proof = subproof(first, hashes[:second], True)
        if not verify_consistency(first, first_root, second, second_root, proof):
            faults.append(f"the tree of {second} is not proved to continue that of {first}")
        count += 1
    print(f"{count} consistency proofs")

    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
