#!/usr/bin/env python3
"""Verifies and lists an engram (`karyon engram export`), by docs/engram-format.md alone.

    pip install blake3 cryptography
    read_engram.py ENGRAM [--key HEX_OR_FILE]

Every hash, the signature, the order and the one form of every block are verified; the first thing
that is wrong is named. The signer's key has to come from elsewhere than the engram: without --key
it is shown, and nobody can tell whose it is. Exit code 0: the engram is what that key signed. 1: it
is not. Not checked: how long a memory is in the encoding of a write, which is no part of the format.
"""
import argparse, base64, json, math, os, struct, sys, unicodedata
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TYPE = "application/vnd.karyon.engram.manifest.v1+dag-cbor"
FORM = '{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}'
RAW, CBOR = bytes([1, 0x55, 0x1E, 32]), bytes([1, 0x71, 0x1E, 32])
need = lambda right, what: right or sys.exit(f"NOT VERIFIED: {what}")

class Link(bytes):
    """A CID, in its binary form."""

# What stands behind a length (unsigned LEB128 in its shortest form), and where the next begins.
def section(file, at, most, what):
    number, shift = 0, 0
    while need(at < len(file) and shift < 64, f"{what}: the file is cut off") and file[at] > 127:
        number, shift, at = number | (file[at] & 127) << shift, shift + 7, at + 1
    need(file[at] or not shift, f"{what}: its length is not in its one form")
    number, at = number | file[at] << shift, at + 1
    need(number <= most and at + number <= len(file), f"{what}: it is too long, or cut off")
    return file[at:at + number], at + number

def block(file, at, cid, most, what):
    part, at = section(file, at, most + 36, what)
    need(part[:36] == cid, f"{what}: another block stands in its place")
    need(blake3(part[36:]).digest() == cid[4:], f"{what}: it was altered")
    return part[36:], at

def head(major, number):
    size = (number > 255) + (number >> 16 > 0) + (number >> 32 > 0)
    return bytes([major << 5 | number] if number < 24 else [major << 5 | 24 + size, *number.to_bytes(1 << size, "big")])

def encode(x):
    if x is None or isinstance(x, bool): return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[x]
    if isinstance(x, int): return head(0, x) if x >= 0 else head(1, -1 - x)
    if isinstance(x, float): return b"\xfb" + struct.pack(">d", x + 0.0)
    if isinstance(x, Link): return head(6, 42) + head(2, 37) + b"\0" + x
    if isinstance(x, bytes): return head(2, len(x)) + x
    if isinstance(x, str): return head(3, len(x.encode())) + x.encode()
    if isinstance(x, list): return head(4, len(x)) + b"".join(map(encode, x))
    pairs = sorted((len(key.encode()), key, value) for key, value in x.items())
    return head(5, len(x)) + b"".join(encode(key) + encode(value) for _, key, value in pairs)

# Lenient: to encode what was decoded shows what was not in its one form.
def decode(data, at):
    major, info = data[at] >> 5, data[at] & 31
    raw = data[at + 1:at + 1 + (1 << info - 24 if info > 23 else 0)]
    number, at = int.from_bytes(raw, "big") if raw else info, at + 1 + len(raw)
    if major < 2: return -1 - number if major else number, at
    if major < 4: return (data[at:at + number].decode() if major == 3 else data[at:at + number]), at + number
    if major == 7: return struct.unpack(">d", raw)[0] if info == 27 else {20: False, 21: True, 22: None}[info], at
    items = []
    for _ in range(number * (major - 3) if major < 6 else 1):
        item, at = decode(data, at)
        items.append(item)
    return (items if major == 4 else dict(zip(items[::2], items[1::2])) if major == 5 else Link(items[0][1:])), at

def one_form(data, what):
    try: right = decode(data, 0)[1] == len(data) and encode(decode(data, 0)[0]) == data
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error, RecursionError): right = False
    return need(right, f"{what}: it is not DAG-CBOR in its one form") and decode(data, 0)[0]

# Whether something is of a form: a function, or a map of forms by field. Agents are put down as met.
met = set()
fits = lambda x, form: form(x) if callable(form) else isinstance(x, dict) and x.keys() == form.keys() and all(
    fits(x[key], form[key]) for key in form)
one = lambda forms: lambda x: isinstance(x, dict) and len(x) == 1 and any(
    key in x and fits(x[key], form) for key, form in forms.items())
maybe = lambda form: lambda x: x is None or form(x)
whole = lambda least=0, end=1 << 64: lambda x: type(x) is int and least <= x < end
blob = lambda size: lambda x: type(x) is bytes and len(x) == size
plain = lambda x, most=256: isinstance(x, str) and len(x.encode()) <= most and "Cc" not in map(unicodedata.category, x)
name = lambda x: plain(x) and x != ""
rising = lambda x, key=lambda y: y: all(key(a) < key(b) for a, b in zip(x, x[1:]))
items = lambda form, x: isinstance(x, list) and all(fits(y, form) for y in x)
agent = lambda x: whole(1)(x) and not met.add(x)
vertex = one({"agent": agent, "named": name})
moment = lambda x: isinstance(x, list) and len(x) == 2 and whole(-1 << 63, 1 << 63)(x[0]) and whole(0, 10 ** 9)(x[1])
called = lambda x: items(lambda y: isinstance(y, list) and len(y) == 2 and whole(1)(y[0]) and name(y[1]), x) and rising(x, lambda y: y[0])
who = lambda x: plain(x, 64) and x[:1] not in ("", ".") and all(c.isascii() and (c.isalnum() or c in "._-") for c in x)
cid = lambda x: isinstance(x, Link) and len(x) == 36 and x[:4] == CBOR
number = whole()

def value(x, deep=0):
    inner = lambda y: value(y, deep + 1)
    many = {"list": lambda y: items(inner, y), "map": lambda y: properties(y, inner)} if deep < 8 else {}
    return x is None or isinstance(x, bool) or one({"i64": whole(-1 << 63, 1 << 63), "text": lambda y: isinstance(y, str),
        "bytes": lambda y: type(y) is bytes, "time": moment, "agent": agent, "named": name,
        "f64": lambda y: isinstance(y, float) and math.isfinite(y), **many})(x)

properties = lambda x, form=value: isinstance(x, dict) and all(name(key) and form(y) for key, y in x.items())
labels = lambda x: items(name, x) and rising(x, str.encode)
PRESENT = one({"present": {"labels": labels, "properties": properties}})
MEMORY = {"valid": {"from": moment, "to": maybe(moment)}, "content": lambda x: x == "ended" or PRESENT(x),
    "entity": one({"vertex": vertex, "edge": {"from": vertex, "kind": name, "to": vertex},
                   "fact": {"subject": vertex, "predicate": name}}),
    "recorded": {"position": number, "tick": number, "agent": lambda x: (type(x) is int and x == 0) or agent(x), "step": number, "lease": number,
                 "output": maybe(whole(0, 1 << 16))}}
MANIFEST = {"version": number, "principal": {"name": who, "public_key": blob(32)}, "at": maybe(moment),
    "origin": {"log": blob(16), "node_key": blob(32), "tree_size": number, "tree_root": blob(32), "records": number},
    "reason": lambda x: plain(x, 4096), "created_unix_ms": number, "agents": called, "names": called,
    "memories": lambda x: items(cid, x) and rising(x) and len(x) <= 1_000_000}

def main():
    parser = argparse.ArgumentParser(description="Verifies and lists an engram.")
    parser.add_argument("engram"), parser.add_argument("--key", help="64 hexadecimal digits, or a file: node.pub")
    args = parser.parse_args()
    file = open(args.engram, "rb").read((1 << 30) + 1)
    need(len(file) <= 1 << 30, "the file is too long")
    header, at = section(file, 0, 128, "the header")
    root = Link(header[-45:-9])
    need(root[:4] == RAW and encode({"roots": [root], "version": 1}) == header, "the header is not that of an engram")
    envelope, at = block(file, at, root, 128 << 20, "the envelope")
    try:
        said = json.loads(envelope)
        payload, sig = base64.b64decode(said["payload"]), base64.b64decode(said["signatures"][0]["sig"])
        signer = bytes.fromhex(said["signatures"][0]["keyid"])
        texts = base64.b64encode(payload).decode(), TYPE, signer.hex(), base64.b64encode(sig).decode()
        need(FORM % texts == envelope.decode(), "the envelope is not in its one form")
        signed = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
        Ed25519PublicKey.from_public_bytes(signer).verify(sig, signed)
    except Exception as error: need(False, f"the envelope is none, or not signed by the key that it names: {error!r}")
    key = args.key and (open(args.key).read().split()[-1] if os.path.exists(args.key) else args.key)
    need(not key or bytes.fromhex(key) == signer, f"it is signed by {signer.hex()}, another key than yours")
    manifest, lines = one_form(payload, "the manifest"), []
    need(isinstance(manifest, dict) and manifest.get("version") == 1, "the manifest is not of version 1")
    need(fits(manifest, MANIFEST), "the manifest says what it must not say")
    names = dict(manifest["names"])
    need(all(names.get(agent, name) == name for agent, name in manifest["agents"]), "an agent has two names")
    for number, cid in enumerate(manifest["memories"]):
        data, at = block(file, at, cid, 320 << 10, f"memory {number}")
        memory = one_form(data, f"memory {number}")
        valid = fits(memory, MEMORY) and memory["valid"]
        need(valid and not (valid["to"] and valid["to"] <= valid["from"]), f"memory {number}: it is none")
        need(memory["recorded"]["position"] < manifest["origin"]["records"], f"memory {number}: it lies behind the log's end")
        lines.append(json.dumps(memory, default=bytes.hex))
    need(at == len(file), "something follows the last memory")
    need(met == set(names), "the names are not those of the agents that are mentioned")
    print(*lines, sep="\n", end="\n" if lines else "")
    whose = "the key that you gave" if key else "A KEY THAT NOBODY VOUCHES FOR: give --key"
    print(f"verified: {len(lines)} memories of log {manifest['origin']['log'].hex()}, signed by {signer.hex()}, {whose}", file=sys.stderr)

main()
