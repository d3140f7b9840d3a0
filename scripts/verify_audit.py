#!/usr/bin/env python3
"""Verifies an export of a Karyon log (`karyon audit export`) with the node's public key.

    pip install blake3 cryptography
    verify_audit.py EXPORT --key HEX_OR_FILE [--checkpoint FILE]

The key has to come from elsewhere than the export. With a checkpoint that was kept elsewhere the
log must also extend it; without one nobody can tell a log that its node wrote anew. Exit code 0:
the export is what the node signed. 1: it is not; the first record concerned is named. The format
is described in docs/audit.md.
"""
import argparse, base64, hashlib, json, os, struct, sys
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LISTS, COMMITS = "karyon audit export record hashes v1", "karyon log commit v1"
COMMIT, BLOCK = "<4sHH16sIIQQQQ32s32s", "<4sHH16sIIQQ32sII"
CHANGED = "it was altered", "another was put before it", "it was removed", "it stands too late"
place = [0]  # the record that is looked at
b64 = lambda text: base64.b64decode(text, validate=True)
sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()

def need(right, record, what):
    if not right:
        sys.exit(f"NOT VERIFIED: record #{record}: {what}")

# A record begins with its length, a varint.
def is_framed(record):
    end = next(at for at, byte in enumerate(record) if byte < 128) + 1
    return sum((byte & 127) << 7 * at for at, byte in enumerate(record[:end])) + end == len(record)

# The root of a tree. Source: RFC 6962, section 2.1.
def root(leaves):
    half = 1 << max(len(leaves) - 1, 0).bit_length() >> 1
    return sha(b"\1", root(leaves[:half]), root(leaves[half:])) if half else (leaves or [sha()])[0]

# Signed lists of short hashes of the lines name a record, whatever was done to it. Answers whether
# there are views, and how many records the lists cover.
def compare_lines(export, key, log):
    lines, listed, views = bytearray(), bytearray(), False
    try:
        for line in export:
            if line.startswith(b'{"seq":'):
                lines += blake3(line.rstrip(b"\n")).digest(8)
                views = views or b'"view":' in line
            elif line.startswith(b'{"hashes":'):
                place[0], entry = len(listed) // 8, json.loads(line)
                text = log + struct.pack("<Q", place[0]) + b64(entry["hashes"])
                key.verify(b64(entry["signature"]), blake3(text, derive_key_context=LISTS).digest())
                listed += text[24:]
    finally:
        for at in (at for at in range(0, len(listed), 8) if lines[at:at + 8] != listed[at:at + 8]):
            (here, after), (was, then) = ((x[at:at + 8], x[at + 8:at + 16]) for x in (lines, listed))
            need(here, at // 8, "it and all behind it are cut off")
            need(False, at // 8, CHANGED[2 * (here == then) + (after == was)])
    return views, len(listed) // 8

# Commits, blocks and records, each with what it must follow. Answers the leaves of the tree, the
# records up to each block's end, the number of commits and the checkpoint.
def check_chain(export, key, log):
    leaves, ends, commits, last, lanes = [], [0], 0, bytes(32), {}
    blocks, left, parts, note, place[0] = [], 0, [], None, 0
    for line in export:
        entry, seq = json.loads(line), place[0]
        kind = " ".join(sorted(entry))
        if left and line.startswith(b'{"seq":') and kind in ("record seq", "record seq view"):
            parts.append(b64(entry["record"]))
            need(entry["seq"] == seq, seq, "another record stands in its place")
            need(is_framed(parts[-1]), seq, "it is not as long as it says")
            place[0], left = seq + 1, left - 1
        elif blocks and kind == "block" and not left:
            (hashed, left, length), parts = blocks.pop(), [b64(entry["block"])]
            head = struct.unpack(BLOCK, parts[0])
            right = (b"KBLK", 1, log, left, *lanes.get(head[2], (0, bytes(32))), length - 88)
            need(head[:2] + head[3:4] + head[5:7] + head[8:10] == right, seq, "its block is misplaced")
            lanes[head[2]] = head[6] + left, hashed
        elif kind == "commit" and not left and not blocks and note is None:
            head = struct.unpack(COMMIT, (commit := b64(entry["commit"]))[:128])
            right = (b"KCMT", 1, 0, log, len(commit), commits, len(leaves) + head[5], seq, last)
            last, commits = blake3(commit[:-64], derive_key_context=COMMITS).digest(), commits + 1
            key.verify(commit[-64:], last)
            need(head[:5] + head[6:9] + head[10:11] == right, seq, "its commit is misplaced")
            blocks, tree = [*struct.iter_unpack("<32sII", commit[128:-64])][::-1], head[11]
        elif kind == "checkpoint" and not left and not blocks and note is None:
            note = entry["checkpoint"] or ""
        else:
            need(kind == "hashes signature", seq, "another line stands in its place")
        if parts and not left:
            need(blake3(b"".join(parts)).digest() == hashed, f"{ends[-1]} to #{seq}", "block altered")
            leaves.append(sha(b"\0", hashed)), ends.append(place[0]), parts.clear()
    need(note is not None, place[0], "it and all behind it are cut off")
    need(not commits or root(leaves) == tree, ends[-1] - 1, "the tree of blocks is not the signed one")
    return leaves, ends, commits, note

# A note as in c2sp.org/tlog-checkpoint. Answers how many records it covers.
def check_note(note, where, key, log, leaves, ends):
    place[0], (body, line) = 0, note.split("\n\n")
    origin, size, hashed = body.split("\n")
    need(origin == "karyon/" + log.hex(), 0, f"the checkpoint {where} is of the log {origin}")
    key.verify(b64(line.strip().split(" ")[2])[4:], (body + "\n").encode())
    need(int(size) <= len(leaves), ends[-1], f"cut off, and all behind it (checkpoint {where})")
    covered, what = ends[int(size)], f"written anew: this is not what the checkpoint {where} covers"
    need(root(leaves[:int(size)]) == b64(hashed), f"{covered - 1} or one before it", what)
    return covered

parser = argparse.ArgumentParser(description="Verifies an export of a Karyon log.")
parser.add_argument("export")
parser.add_argument("--key", required=True, help="64 hexadecimal digits, or a file such as node.pub")
parser.add_argument("--checkpoint", help="a checkpoint of this log that was kept elsewhere")
args = parser.parse_args()
public = open(args.key).read().split()[-1] if os.path.exists(args.key) else args.key
key, export = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)), open(args.export, "rb")
try:
    head = json.loads(export.readline())
    start, log = export.tell(), bytes.fromhex(head["log_id"])
    need((head["format"], head["version"]) == ("karyon-audit-export", 1), 0, "unknown format")
    views, listed = compare_lines(export, key, log)
    export.seek(start)
    leaves, ends, commits, note = check_chain(export, key, log)
    covered = check_note(note, "in the export", key, log, leaves, ends) if note else 0
    need(not views or listed == covered == ends[-1], min(listed, covered), "no signature covers it")
    if args.checkpoint:
        check_note(open(args.checkpoint).read(), "kept elsewhere", key, log, leaves, ends)
except Exception as error:
    need(False, place[0], f"cut off, of another form, or not signed by this key: {error!r}")
print(f"verified: {ends[-1]} records, {len(leaves)} blocks, {commits} commits of log {log.hex()}")
