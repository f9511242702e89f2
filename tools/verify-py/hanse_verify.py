#!/usr/bin/env python3
"""Check a Hanse proof file against a trust root, with nothing of Hanse's own code.

Written from docs/formats/proof.md alone; section numbers below are of that page. Needs Python 3.9 and
the package `cryptography` (for Ed25519). Its Ed25519 is stricter than ZIP-215 (section 5): honest
signatures are accepted alike, crafted ones may be refused here.

    hanse_verify.py PROOF --trust-root F [--key HEX] [--json]    exit 0, 16 or 17
    hanse_verify.py --vectors fixtures/proof                     prints "N passed, N failed"
"""

import argparse
import hashlib
import json
import os
import sys
from functools import reduce

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MALFORMED = ("malformed", "too-large", "version", "trust-root")
# Section 9.
FILE_MAX, HEADER_MAX, RECORD_MAX, STATE_KEY_MAX, CLAIM_MAX = 8 << 20, 512, 8450, 4161, 1024
VALUE_MAX, COMMAND_MAX, COMMITTEE_MAX = 1572864, 2097152, 6348
HEADERS_MAX, HANDOVERS_MAX, ITEMS_MAX, MEMBERS_MAX = 1024, 1024, 4096, 64
LEAF_SIBLINGS_MAX, BRANCH_DIGESTS_MAX = 32, 62

class Refused(Exception):
    """The proof does not hold; the argument is the reason of section 10."""

def require(condition, reason):
    if not condition:
        raise Refused(reason)

# hashing (section 1)
def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def domain_hash(domain, *parts):
    name = domain.encode("ascii")
    return sha(bytes([len(name)]), name, *parts)

def digest(domain, value):
    return domain_hash("hanse/" + domain, value["encoded"])

def be64(number):
    return number.to_bytes(8, "big")

# CBOR (section 2)
class Cursor:
    """Bytes that are read from the front."""
    def __init__(self, data):
        self.data, self.at = data, 0
    def take(self, count):
        require(self.at + count <= len(self.data), "malformed")
        self.at += count
        return self.data[self.at - count : self.at]
    def count(self, number):
        """A number of things that are yet to come, each of at least one byte."""
        require(number <= len(self.data) - self.at, "malformed")
        return range(number)
    def last(self, value):
        """The value, after which nothing may follow."""
        require(self.at == len(self.data), "malformed")
        return value

class Cbor(Cursor):
    """Reads one item in deterministic encoding and refuses every other encoding."""
    def head(self):
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info
        require(info <= 27, "malformed")
        width = 1 << (info - 24)
        number = int.from_bytes(self.take(width), "big")
        shortest = 24 if width == 1 else 1 << (4 * width)
        require(major < 6 and number >= shortest, "malformed")
        return major, number
    def item(self, depth=0):
        require(depth < 8, "malformed")
        major, number = self.head()
        if major == 0:
            return number
        if major == 2:
            return self.take(number)
        if major == 3:
            return text_of(self.take(number))
        if major == 4:
            return [self.item(depth + 1) for _ in self.count(number)]
        if major == 5:
            return self.mapping(number, depth)
        require(major == 7 and number == 22, "malformed")
        return None
    def mapping(self, number, depth):
        result, previous = {}, b""
        for _ in self.count(number):
            start = self.at
            key = self.item(depth + 1)
            encoded = self.data[start : self.at]
            require(isinstance(key, str) and encoded > previous, "malformed")
            previous = encoded
            result[key] = self.item(depth + 1)
        return result

def text_of(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("malformed") from None

def fields(item, *names):
    """The values of a map that has exactly these keys."""
    require(isinstance(item, dict) and sorted(item) == sorted(names), "malformed")
    return [item[name] for name in names]

def uint(item):
    require(isinstance(item, int), "malformed")
    return item

def byte_string(item, limit):
    require(isinstance(item, bytes), "malformed")
    require(len(item) <= limit, "too-large")
    return item

def digest_of(item):
    require(isinstance(item, bytes) and len(item) == 32, "malformed")
    return item

def pieces(item, limit, size=32):
    data = byte_string(item, limit * size)
    require(len(data) % size == 0, "malformed")
    return [data[i : i + size] for i in range(0, len(data), size)]

def array(item, limit, least=0):
    require(isinstance(item, list), "malformed")
    require(len(item) <= limit, "too-large")
    require(len(item) >= least, "malformed")
    return item

# Borsh (section 3)
class Borsh(Cursor):
    """Reads Borsh; every value has one encoding."""
    def int(self, width):
        return int.from_bytes(self.take(width), "little")
    def bytes(self):
        return self.take(self.int(4))
    def string(self):
        return text_of(self.bytes())
    def digest(self):
        return self.take(32)
    def number(self, kind):
        return self.variant(range(int(kind[1:]))) if kind[0] == "e" else self.int(int(kind))
    def variant(self, allowed):
        number = self.int(1)
        require(number in allowed, "malformed")
        return number
    def list(self, read):
        return [read() for _ in self.count(self.int(4))]

def read_borsh(data, read):
    """One value, nothing after it, with its bytes kept for hashing."""
    reader = Borsh(data)
    return reader.last(dict(read(reader), encoded=data))

def structure(layout):
    """Reads fields `name:kind`: a number is an integer of that many bytes, `d` a digest, `s` a string,
    `b` bytes, `e` and a number an enum of that many variants."""
    parts = [part.split(":") for part in layout.split()]
    def read(r):
        kinds = {"d": r.digest, "s": r.string, "b": r.bytes}
        value = {}
        for name, kind in parts:
            value[name] = kinds[kind]() if kind in kinds else r.number(kind)
        return value
    return read

header = structure(
    "version:2 protocol:2 chain_id:d height:8 epoch:8 view:8 leader:d parent_view:8 parent:d "
    "timestamp_ms:8 body_root:d receipt_root:d event_root:d settled_height:8 state_root:d "
    "state_version:2 settles:e2 history_root:d committee:d next_committee:d"
)
event = structure(
    "space:s revision:8 kind:e2 key_hash:d value_hash:d actor:d prev_mod_revision:8 index:4"
)
actor = structure("organisation:s evidence:e2 key:d identity:s")
command = structure("kind:2 bytes:b")
record = structure(
    "key:b next:b create_revision:8 mod_revision:8 version:8 lease:8 seal:4 height:8 index:4 "
    "value_hash:d"
)

def receipt(r):
    value = structure("command:d item:4 height:8 index:4 space:s revision:8 status:e3")(r)
    value["refusal"] = r.variant(range(1, 15)) if value["status"] == 2 else None
    return dict(value, **structure("effects:d actor:d")(r))

def committee(r):
    return {"epoch": r.int(8), "members": r.list(lambda: (r.digest(), r.string()))}

def public_key(r):
    return r.take(32 if r.variant((1, 2, 3)) == 1 else 33)

def organisation(r):
    name, _, consensus = r.string(), public_key(r), r.digest()
    r.list(lambda: public_key(r))
    return consensus, name

def genesis(r):
    params = "protocol_version:2 heartbeat:4 leader:4 certification:4 ahead:4 epoch_blocks:8 spaces:4 motion:4 motion_high:4"
    value = structure("version:2 name:s created_ms:8 " + params)(r)
    return dict(value, organisations=r.list(lambda: organisation(r)))

# trust root (section 8)
def no_double(pairs):
    require(len(dict(pairs)) == len(pairs), "trust-root")
    return dict(pairs)

def hexadecimal(text):
    data = bytes.fromhex(text)
    require(data.hex() == text, "trust-root")
    return data

def natural(number):
    require(type(number) is int and 0 <= number < 1 << 64, "trust-root")
    return number

def read_trust_root(data):
    try:
        root = json.loads(data.decode("utf-8"), object_pairs_hook=no_double)
        return trust_root_of(dict({"pinned": None, "max_age_ms": None}, **root))
    except (ValueError, TypeError, Refused):
        raise Refused("trust-root") from None

def trust_root_of(root):
    names = ("v", "chain_id", "name", "genesis", "committee", "pinned", "max_age_ms")
    version, chain_id, name, first, voters, pinned, max_age = fields(root, *names)
    require(natural(version) == 1 and isinstance(name, str), "trust-root")
    null_or(max_age, natural)
    first, chain_id = read_borsh(hexadecimal(first), genesis), digest_of(hexadecimal(chain_id))
    epoch, seats = fields(voters, "epoch", "members")
    seats = [fields(seat, "consensus", "organisation") for seat in array(seats, MEMBERS_MAX)]
    seats = sorted((digest_of(hexadecimal(key)), name) for key, name in seats)
    voters = {"epoch": natural(epoch), "members": seats}
    founders = epoch != 0 or seats == sorted(first["organisations"])
    require(chain_id == digest("genesis", first) and founders, "trust-root")
    if pinned is not None:
        height, block = fields(pinned, "height", "digest")
        pinned = (natural(height), digest_of(hexadecimal(block)))
    blocks, voters["encoded"] = first["epoch_blocks"], encode_committee(voters)
    require(blocks > 0 and is_committee(voters), "trust-root")
    return {"chain_id": chain_id, "committee": voters, "epoch_blocks": blocks, "pinned": pinned}

def encode_committee(value):
    seats = [(key, name.encode("utf-8")) for key, name in value["members"]]
    parts = [key + len(name).to_bytes(4, "little") + name for key, name in seats]
    return value["epoch"].to_bytes(8, "little") + len(seats).to_bytes(4, "little") + b"".join(parts)

def is_committee(value):
    keys = [key for key, _ in value["members"]]
    return 1 <= len(keys) <= MEMBERS_MAX and all(a < b for a, b in zip(keys, keys[1:]))

# certificates (section 5)
def varint(number):
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + varint(number >> 7)

def read_finalization(item):
    names = "view epoch signers signatures parent_view".split()
    view, epoch, signers, signatures, parent_view = fields(item, *names)
    value = {"view": uint(view), "epoch": uint(epoch), "parent_view": uint(parent_view)}
    signers, signatures = byte_string(signers, MEMBERS_MAX // 8), pieces(signatures, MEMBERS_MAX, 64)
    return dict(value, signers=signers, signatures=signatures)

def check_finalization(chain_id, members, finalization, payload):
    """Names of the organisations that signed."""
    require(finalization["epoch"] == members["epoch"], "epoch")
    count = len(members["members"])
    bitmap = int.from_bytes(finalization["signers"], "little")
    fits = len(finalization["signers"]) == (count + 7) // 8 and bitmap >> count == 0
    ranks = [rank for rank in range(count) if bitmap >> rank & 1]
    require(fits and len(ranks) == len(finalization["signatures"]), "signers")
    require(len(ranks) >= quorum_of(count), "quorum")
    namespace = b"hanse/" + chain_id + b"_FINALIZE"
    message = varint(len(namespace)) + namespace
    message += b"".join(varint(finalization[n]) for n in ("epoch", "view", "parent_view")) + payload
    for rank, signature in zip(ranks, finalization["signatures"]):
        try:
            key = Ed25519PublicKey.from_public_bytes(members["members"][rank][0])
            key.verify(signature, message)
        except (InvalidSignature, ValueError):
            raise Refused("signature") from None
    return [members["members"][rank][1] for rank in ranks]

def quorum_of(count):
    return count - (count - 1) // 3

# chain (section 4)
def check_chain(trust, trusted, headers, finalization):
    sitting, parent = {"epoch": headers[0]["epoch"], "members": trusted["members"]}, None
    sitting["encoded"] = encode_committee(sitting)
    for value in headers:
        require(value["version"] == 1, "header-version")
        require(value["chain_id"] == trust["chain_id"], "chain")
        require(trusted["epoch"] <= value["epoch"] == sitting["epoch"], "epoch")
        require(value["height"] // trust["epoch_blocks"] == value["epoch"], "epoch-height")
        require(value["committee"] == digest("committee", sitting), "committee")
        if parent is not None:
            require(value["parent"] == digest("header", parent), "parent")
            require(value["height"] == parent["height"] + 1, "height")
        if trust["pinned"] and trust["pinned"][0] == value["height"]:
            require(trust["pinned"][1] == digest("header", value), "pinned")
        parent = value
    return check_finalization(trust["chain_id"], sitting, finalization, digest("header", parent))

def check_handover(trust, value, following):
    # The height is in the header's epoch, so this also says that the committee is of the next one.
    last = value["height"] + 1 == following["epoch"] * trust["epoch_blocks"]
    named = value["next_committee"] == digest("committee", following)
    require(last and named and is_committee(following), "handover")

# paths (sections 6 and 7)
def read_leaf_path(item):
    left, siblings = array(item, 2, 2)
    siblings = pieces(siblings, LEAF_SIBLINGS_MAX)
    require(uint(left) >> len(siblings) == 0, "malformed")
    return left, siblings

def leaf_root(path, leaf):
    left, siblings = path
    node = sha(b"\0", leaf)
    for i, sibling in enumerate(siblings):
        node = sha(b"\1", sibling, node) if left >> i & 1 else sha(b"\1", node, sibling)
    return node

def read_branch(item):
    location, leaves, inactive, chunk, partial, log_root, siblings, peaks = array(item, 8, 8)
    return {
        "location": uint(location), "leaves": uint(leaves), "inactive": uint(inactive),
        "chunk": digest_of(chunk), "partial": null_or(partial, digest_of),
        "log_root": digest_of(log_root), "siblings": pieces(siblings, BRANCH_DIGESTS_MAX),
        "peaks": pieces(peaks, BRANCH_DIGESTS_MAX),
    }

def node_number(start, height):
    return 2 * start - bin(start).count("1") + (2 << height) - 2

def branch_root(b, slot, leaf):
    """The state root; `None` where the page says invalid."""
    location, leaves, inactive = b["location"], b["leaves"], b["inactive"]
    if leaves > 1 << 62 or location >= leaves:
        return None
    bit = location % 256
    if not b["chunk"][bit // 8] >> bit % 8 & 1 or (b["partial"] is None) != (leaves % 256 == 0):
        return None
    if location // 256 == leaves // 256 and b["partial"] != sha(b["chunk"]):
        return None
    heights = [height for height in range(62, -1, -1) if leaves >> height & 1]
    # The peak that covers a location is where its number and the number of leaves first differ.
    own = heights.index((leaves ^ location).bit_length() - 1)
    if len(b["siblings"]) != heights[own]:
        return None
    node = sha(be64(node_number(location, 0)), b"\xd2", slot, leaf)
    for height, sibling in enumerate(b["siblings"], 1):
        number = be64(node_number(location >> height << height, height))
        pair = (sibling, node) if location >> height - 1 & 1 else (node, sibling)
        node = sha(number, *pair)
        if height == 8:
            node = sha(b["chunk"], node)
    folded = fold_peaks(b, len(heights), own, node)
    if folded is None:
        return None
    active = sha(b"\0\1", be64(leaves), be64(inactive) if inactive else b"", folded)
    trailing = (be64(leaves % 256), b["partial"]) if b["partial"] else ()
    return sha(b["log_root"], active, *trailing)

def fold_peaks(b, count, own, node):
    inactive, peaks = b["inactive"], b["peaks"]
    if inactive > count:
        return None
    k = min(inactive, own)
    before = own if k == 0 else own - k + 1
    single = max(0, inactive - own - 1)
    after = single + (1 if count - own - 1 > single else 0)
    if len(peaks) != before + after:
        return None
    whole = peaks[:before] + [node] + peaks[before:]
    m = max(1, inactive - max(0, k - 1))
    head, rest = reduce(sha, whole[:m]), whole[m:]
    if not rest:
        return head
    return sha(head, reduce(lambda tail, following: sha(following, tail), reversed(rest)))

# claims (section 6)
def borsh_field(item, limit, read):
    return read_borsh(byte_string(item, limit), read)

def null_or(item, *read):
    return None if item is None else read[0](item, *read[1:])

def read_entry(value, encoded, path):
    value = null_or(value, byte_string, VALUE_MAX)
    entry = {"record": borsh_field(encoded, RECORD_MAX, record), "branch": read_branch(path)}
    return dict(entry, present=True, value=value)

def read_item(item, path):
    if isinstance(item, dict) and len(item) == 1:
        (encoded,) = fields(item, "record")
        return dict(read_entry(None, encoded, path), present=False)
    value, encoded = fields(item, "value", "record")
    return read_entry(value, encoded, path)

def read_claim(kind, claim, path):
    if kind == "receipt":
        who, what, outcome = fields(claim, "actor", "command", "receipt")
        claim = {"command": null_or(what, borsh_field, COMMAND_MAX, command)}
        claim["receipt"] = borsh_field(outcome, CLAIM_MAX, receipt)
    elif kind == "event":
        key, who, what, value = fields(claim, "key", "actor", "event", "value")
        key, value = null_or(key, byte_string, STATE_KEY_MAX), null_or(value, byte_string, VALUE_MAX)
        claim = {"key": key, "value": value}
        claim["event"] = borsh_field(what, CLAIM_MAX, event)
    if kind in ("receipt", "event"):
        claim["actor"] = null_or(who, borsh_field, CLAIM_MAX, actor)
        return dict(claim, path=read_leaf_path(path))
    if kind in ("value", "absence"):
        item = read_item(claim, path)
        require(item["present"] == (kind == "value"), "malformed")
        return {"items": [item]}
    if kind in ("range", "image"):
        (items,) = fields(claim, "entries" if kind == "range" else "items")
        items, paths = array(items, ITEMS_MAX, 1), array(path, ITEMS_MAX)
        require(len(items) == len(paths), "malformed")
        if kind == "image":
            return {"items": [read_item(item, path) for item, path in zip(items, paths)]}
        pairs = [array(item, 2, 2) for item in items]
        return {"items": [read_entry(v, r, path) for (r, v), path in zip(pairs, paths)]}
    require(kind == "handover" and path is None, "malformed")
    return {"committee": borsh_field(*fields(claim, "committee"), COMMITTEE_MAX, committee)}

def check_disclosed(found, expected):
    """What is disclosed hashes to what the claim commits to; `None` is not disclosed."""
    require(found in (None, expected), "content")

def check_receipt(claim, h):
    outcome = claim["receipt"]
    require(outcome["height"] + 1 == h["height"], "claim-height")
    require(leaf_root(claim["path"], digest("receipt", outcome)) == h["receipt_root"], "receipt")
    if claim["command"] is not None:
        kind = claim["command"]["kind"].to_bytes(2, "little")
        found = domain_hash("hanse/command", kind, claim["command"]["bytes"])
        check_disclosed(found, outcome["command"])
    check_disclosed(claim["actor"] and digest("actor", claim["actor"]), outcome["actor"])
    return outcome["height"]

def check_event(claim, h):
    what = claim["event"]
    require(h["height"] > 0, "claim-height")
    require(leaf_root(claim["path"], digest("event", what)) == h["event_root"], "event")
    for name in ("key", "value"):
        if claim[name] is not None:
            check_disclosed(domain_hash("hanse/" + name, claim[name]), what[name + "_hash"])
    check_disclosed(claim["actor"] and digest("actor", claim["actor"]), what["actor"])
    return h["height"] - 1

def check_state(kind, claim, h):
    for item in claim["items"]:
        require(h["state_version"] == 1, "state-version")
        slot = domain_hash("hanse/key", item["record"]["key"])
        leaf = digest("record", item["record"])
        require(branch_root(item["branch"], slot, leaf) == h["state_root"], "state")
        if item["value"] is not None:
            check_disclosed(domain_hash("hanse/value", item["value"]), item["record"]["value_hash"])
    if kind == "range":
        records = [item["record"] for item in claim["items"]]
        require(all(a["next"] == b["key"] for a, b in zip(records, records[1:])), "range")
    return h["settled_height"]

# verification (section 4)
def read_proof(data):
    require(len(data) <= FILE_MAX, "too-large")
    reader = Cbor(data)
    names = "v kind path claim headers chain_id handovers anchor_epoch finalization".split()
    parts = fields(reader.last(reader.item()), *names)
    version, kind, path, claim, headers, chain_id, handovers, anchor, finalization = parts
    require(uint(version) == 1, "version")
    return {
        "kind": kind, "claim": read_claim(kind, claim, path), "chain_id": digest_of(chain_id),
        "headers": [borsh_field(h, HEADER_MAX, header) for h in array(headers, HEADERS_MAX, 1)],
        "handovers": [read_handover(step) for step in array(handovers, HANDOVERS_MAX)],
        "anchor_epoch": uint(anchor), "finalization": read_finalization(finalization),
    }

def read_handover(item):
    value, following, certificate = fields(item, "header", "committee", "finalization")
    following = borsh_field(following, COMMITTEE_MAX, committee)
    return borsh_field(value, HEADER_MAX, header), following, read_finalization(certificate)

def verify(data, trust):
    """What the proof shows; raises `Refused`."""
    proof = read_proof(data)
    kind, claim, headers = proof["kind"], proof["claim"], proof["headers"]
    members = trust["committee"]
    require(proof["chain_id"] == trust["chain_id"], "chain")
    require(proof["anchor_epoch"] == members["epoch"], "anchor-epoch")
    for value, following, finalization in proof["handovers"]:
        check_chain(trust, members, [value], finalization)
        check_handover(trust, value, following)
        require(following["members"] != members["members"], "superfluous")
        members = following
    signers = check_chain(trust, members, headers, proof["finalization"])
    h, certified = headers[0], headers[-1]
    require(not trust["pinned"] or certified["height"] >= trust["pinned"][0], "stale")
    if kind == "handover":
        check_handover(trust, h, claim["committee"])
        height = h["height"]
    elif kind in ("receipt", "event"):
        height = check_receipt(claim, h) if kind == "receipt" else check_event(claim, h)
    else:
        height = check_state(kind, claim, h)
    count = len(members["members"])
    quorum = dict(signed=len(signers), of=count, need=quorum_of(count), epoch=certified["epoch"])
    value = {"kind": kind, "height": height, "header_height": h["height"], "signers": signers}
    value.update(certified_height=certified["height"], time_ms=h["timestamp_ms"])
    return dict(value, quorum=quorum, claim=claim)

def answer(verified, key):
    """`present`, `absent`, or `None` when the proof says nothing about the key."""
    for item in verified["claim"].get("items", []):
        first, following = item["record"]["key"], item["record"]["next"]
        if item["present"] and first == key:
            return "present"
        gap = verified["kind"] == "range" or not item["present"]
        if gap and first < key and (not following or key < following):
            return "absent"
    return None

# command line
def read_file(path):
    with open(path, "rb") as file:
        return file.read()

def judge(proof, trust_root, key=None):
    """The verdict on a file, as an object for `--json`."""
    try:
        trust = read_trust_root(read_file(trust_root))
        result = dict(verify(read_file(proof), trust), verdict="verified", code=0)
        if key is not None:
            result["answer"] = answer(result, key)
            # A proof of something else is no proof of this.
            require(result["answer"] is not None, "other-key")
        return result
    except Refused as error:
        reason = error.args[0]
        return {"verdict": "rejected", "reason": reason, "code": 17 if reason in MALFORMED else 16}

def sentence(result):
    if result["code"] != 0:
        return "rejected: " + result["reason"]
    about = "{kind} at height {height}, time {time_ms} ms, ".format(**result)
    signed = "signed by {signed} of {of}, {need} needed: ".format(**result["quorum"])
    answered = "; the key is " + result["answer"] if "answer" in result else ""
    return "verified: " + about + signed + ", ".join(result["signers"]) + answered

def run_vectors(folder):
    vectors = json.loads(read_file(os.path.join(folder, "vectors.json")))["vectors"]
    failed = 0
    for vector in vectors:
        trust = os.path.join(folder, "trust", vector["trust"] + ".json")
        result = judge(os.path.join(folder, vector["file"]), trust)
        verdict = result.get("reason", result["verdict"])
        if verdict != vector["expect"]:
            failed += 1
            print(f"{vector['file']}: {verdict} instead of {vector['expect']}", file=sys.stderr)
    print(f"{len(vectors) - failed} passed, {failed} failed")
    return 1 if failed or not vectors else 0

def main():
    parser = argparse.ArgumentParser(description="Check a Hanse proof file; see docs/formats/proof.md.")
    parser.add_argument("proof", nargs="?", help="the *.hproof file")
    parser.add_argument("--trust-root", help="the trust root file")
    parser.add_argument("--key", help="state key in hexadecimal that the proof must be about")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--vectors", metavar="FOLDER", help="check all vectors of a folder instead")
    options = parser.parse_args()
    if not options.vectors and not (options.proof and options.trust_root):
        parser.error("give a proof and --trust-root, or --vectors")
    try:
        if options.vectors:
            return run_vectors(options.vectors)
        result = judge(options.proof, options.trust_root, null_or(options.key, bytes.fromhex))
    except (OSError, ValueError) as error:
        print(f"hanse_verify.py: {error}", file=sys.stderr)
        return 3
    print(json.dumps(result, default=bytes.hex) if options.json else sentence(result))
    return result["code"]

if __name__ == "__main__":
    sys.exit(main())
