#!/usr/bin/env python3
"""Verifies an export of a Karyon log (`karyon audit export`) with the node's public key.

    pip install blake3 cryptography
    verify_audit.py EXPORT --key HEX_OR_FILE [--checkpoint FILE]

The key has to come from elsewhere than the export. With a checkpoint that was kept elsewhere the
log must also extend it; without one nobody can tell a log that its node wrote anew. Exit code 0:
the export is what the node signed, and where no checkpoint covers its end, that is said. 1: it is
not; the first record concerned is named. Each line has to be what the exporter writes, byte by
byte, so nothing in an export is left unchecked. The format is described in docs/audit.md.
"""
import argparse, base64, hashlib, json, os, struct, sys
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LISTS, COMMITS = "karyon audit export record hashes v1", "karyon log commit v1"
COMMIT, BLOCK = "<4sHH16sIIQQQQ32s32s", "<4sHH16sIIQQ32sII"
CHANGED = "it was altered", "another was put before it", "it was removed", "it stands late", "cut off"
OTHER, RECORDS = "another line stands in its place", (("seq", "record"), ("seq", "record", "view"))
# The record that is looked at, and the one form of a line.
place, compact = [0], json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
need = lambda right, record, what: right or sys.exit(f"NOT VERIFIED: record #{record}: {what}")

# Bytes as base64, in the one form that stands for them.
def b64(text):
    need(base64.b64encode(found := base64.b64decode(text)).decode() == text, place[0], OTHER)
    return found

# A record begins with its length, a varint.
def is_framed(record):
    end = next(at for at, byte in enumerate(record) if byte < 128) + 1
    return sum((byte & 127) << 7 * at for at, byte in enumerate(record[:end])) + end == len(record)

# The root of a tree. Source: RFC 6962, section 2.1.
def root(leaves):
    half = 1 << max(len(leaves) - 1, 0).bit_length() >> 1
    return sha(b"\1", root(leaves[:half]), root(leaves[half:])) if half else (leaves or [sha()])[0]

# Signed lists of short hashes of the lines name a record, whatever was done to it. Answers after
# which records they stand.
def compare_lines(export, key, log):
    lines, listed, marks = bytearray(), bytearray(), [0]
    try:
        for line in export:
            if line.startswith(b'{"seq":'):
                lines += blake3(line.rstrip(b"\n")).digest(8)
            elif line.startswith(b'{"hashes":'):
                place[0], entry = len(listed) // 8, json.loads(line)
                text = log + struct.pack("<Q", place[0]) + b64(entry["hashes"])
                key.verify(b64(entry["signature"]), blake3(text, derive_key_context=LISTS).digest())
                marks.append(len(listed := listed + text[24:]) // 8)
    finally:
        for at in (at for at in range(0, len(listed), 8) if lines[at:at + 8] != listed[at:at + 8]):
            (here, after), (was, then) = ((x[at:at + 8], x[at + 8:at + 16]) for x in (lines, listed))
            need(False, at // 8, CHANGED[2 * (here == then) + (after == was) if here else 4])
    return marks

# Commits, blocks and records, each with what it must follow. Answers the leaves of the tree, the
# records up to each block's end, the number of commits, the checkpoint and the number of views.
def check_chain(export, key, log, marks):
    leaves, ends, commits, last, lanes, kind = [], [0], 0, bytes(32), {}, ()
    blocks, left, views, parts, note, place[0] = [], 0, 0, [], (), 0
    for line in export:
        need(compact(entry := json.loads(line)).encode() + b"\n" == line, place[0], OTHER)
        seq, before, kind = place[0], kind, note == () and type(entry) is dict and tuple(entry)
        if left and kind in RECORDS:
            parts.append(b64(entry["record"]))
            need(line.startswith(b'{"seq":%d,' % seq), seq, "another record stands in its place")
            need(is_framed(parts[-1]), seq, "it is not as long as it says")
            place[0], left, views = seq + 1, left - 1, views + len(kind) - 2
        elif blocks and kind == ("block",) and not left:
            (hashed, left, length), parts = blocks.pop(), [b64(entry["block"])]
            head = struct.unpack(BLOCK, parts[0])
            right = (b"KBLK", 1, log, left, *lanes.get(head[2], (0, bytes(32))), length - 88)
            need(head[:2] + head[3:4] + head[5:7] + head[8:10] == right, seq, "its block is misplaced")
            lanes[head[2]] = head[6] + left, hashed
        elif kind == ("commit",) and not left and not blocks:
            head = struct.unpack(COMMIT, (commit := b64(entry["commit"]))[:128])
            right = (b"KCMT", 1, 0, log, len(commit), commits, len(leaves) + head[5], seq, last)
            last, commits = blake3(commit[:-64], derive_key_context=COMMITS).digest(), commits + 1
            key.verify(commit[-64:], last)
            need(head[:5] + head[6:9] + head[10:11] == right, seq, "its commit is misplaced")
            blocks, tree = [*struct.iter_unpack("<32sII", commit[128:-64])][::-1], head[11]
        elif kind != ("hashes", "signature") or before not in RECORDS or seq not in marks:
            note = need(kind == ("checkpoint",) and not (left or blocks) and entry, seq, OTHER)["checkpoint"]
        if parts and not left:
            need(blake3(b"".join(parts)).digest() == hashed, f"{ends[-1]} to #{seq}", "block altered")
            leaves.append(sha(b"\0", hashed)), ends.append(place[0]), parts.clear()
    need(note != (), place[0], "it and all behind it are cut off")
    need(not commits or root(leaves) == tree, ends[-1] - 1, "the tree of blocks is not the signed one")
    return leaves, ends, commits, note, views

# A note as in c2sp.org/tlog-checkpoint. Answers how many records it covers. One that was kept may
# carry signatures of others too, witnesses say.
def check_note(note, where, most, name, key, leaves, ends):
    (*body, size, hashed), (*lines, end), place[0] = *(x.split("\n") for x in note.split("\n\n")), 0
    own, begin = sha(name.encode(), b"\n\1", key.public_bytes_raw())[:4], f"\u2014 {name} "
    mine = [x for x in (b64(x[len(begin):]) for x in lines if x.startswith(begin)) if x[:4] == own]
    right = mine and body == [name] and not end and len(lines) <= most and size == str(int(size))
    need(right, 0, f"the checkpoint {where} is of another log or form, or not signed by this key")
    [key.verify(signed[4:], f"{name}\n{size}\n{hashed}\n".encode()) for signed in mine]
    need(int(size) <= len(leaves), ends[-1], f"cut off, and all behind it (checkpoint {where})")
    covered, what = ends[int(size)], f"written anew: this is not what the checkpoint {where} covers"
    need(root(leaves[:int(size)]) == b64(hashed), f"{covered - 1} or one before it", what)
    return covered

parser = argparse.ArgumentParser(description="Verifies an export of a Karyon log.")
parser.add_argument("export"), parser.add_argument("--checkpoint", help="one kept elsewhere")
parser.add_argument("--key", required=True, help="64 hexadecimal digits, or a file: node.pub")
args = parser.parse_args()
public = open(args.key).read().split()[-1] if os.path.exists(args.key) else args.key
key, export = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)), open(args.export, "rb")
try:
    log = bytes.fromhex(json.loads(first := export.readline())["log_id"])
    marks = compare_lines(open(args.export, "rb"), key, log)
    leaves, ends, commits, note, views = check_chain(export, key, log, marks)
    right = dict(format="karyon-audit-export", version=1, log_id=log.hex(), node_key=public.lower(),
                 commits=commits, blocks=len(leaves), records=ends[-1])
    need((commits or note) and compact(right).encode() + b"\n" == first, ends[-1], "cut off, or unsigned")
    kept = args.checkpoint and open(args.checkpoint, newline="").read()
    notes = (note, "in the export", 1), (kept, "kept elsewhere", 99)
    covered = [check_note(*x, "karyon/" + log.hex(), key, leaves, ends) for x in notes if x[0] != None]
    right = views == marks[-1] == 0 or [views] == marks[-1:] == covered[:1] == ends[-1:]
    need(right, min(marks[-1:] + covered), "no signature covers it")
except Exception as error:
    need(False, place[0], f"cut off, of another form, or not signed by this key: {error!r}")
end = "" if ends[-1] in covered else "; THE END IS NOT SHOWN: no checkpoint covers it, it may be cut off"
print(f"verified: {ends[-1]} records, {len(leaves)} blocks, {commits} commits of log {log.hex()}{end}")
