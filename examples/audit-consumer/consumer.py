"""Copies the audit events from Kafka into SQLite, and verifies the copy against every signed checkpoint.

Run it again, by a timer: it continues where it stopped. Exit code 0: the copy is whole, 1: it is not.
Settings: KAFKA_BROKERS, TOPIC_PREFIX, COPY_FILE, LOG_KEY (name+hash+base64, from the operator), AUDIT_URL (optional).
"""

import base64
import hashlib
import json
import os
import re
import sqlite3
import sys
import urllib.request

from confluent_kafka import Consumer, KafkaException, TopicPartition
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE_WIDTH = 256
TIMEOUT_S = 30


def leaf_hash(value):
    """RFC 6962: the exact bytes of the record after a byte 0."""
    return hashlib.sha256(b"\x00" + value).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactTree:
    """The roots of the full subtrees, from left to right: enough to append leaves, and to compute the root."""

    def __init__(self, size=0, hashes=()):
        self.size, self.hashes = size, list(hashes)

    def copy(self):
        return CompactTree(self.size, self.hashes)

    def append(self, leaf):
        rest = self.size
        while rest % 2 == 1:  # each 1 at the end of the size is a subtree as large as the one on its right
            leaf = node_hash(self.hashes.pop(), leaf)
            rest //= 2
        self.hashes.append(leaf)
        self.size += 1

    def root(self):
        if self.size == 0:
            return hashlib.sha256(b"").digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def open_checkpoint(note, log_key):
    """Size and root of a signed checkpoint (C2SP signed note); None: not signed by this key, or of another log."""
    origin, _, encoded = log_key.split("+", 2)
    key = base64.b64decode(encoded)
    key_id = hashlib.sha256(origin.encode() + b"\n" + key).digest()[:4]
    text, _, signatures = note.rpartition(b"\n\n")
    text += b"\n"
    for line in signatures.decode().split("\n"):
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        if match is None or match[1] != origin:
            continue
        signature = base64.b64decode(match[2])
        if signature[:4] != key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text)
        except InvalidSignature:
            return None
        first, size, root = text.decode().split("\n")[:3]
        if first != origin or re.fullmatch(r"0|[1-9][0-9]*", size) is None:
            return None
        return int(size), base64.b64decode(root)
    return None


class LogCopy:
    """A copy of the log in SQLite, with how far it was verified, and the next offsets."""

    def __init__(self, file):
        self.database = sqlite3.connect(file)
        self.database.executescript(
            """CREATE TABLE IF NOT EXISTS events (idx INTEGER PRIMARY KEY, value BLOB NOT NULL, leaf BLOB NOT NULL);
            CREATE TABLE IF NOT EXISTS offsets (topic TEXT, part INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, part));
            CREATE TABLE IF NOT EXISTS verified (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER, hashes BLOB);"""
        )
        size, hashes = self.database.execute("SELECT size, hashes FROM verified").fetchone() or (0, b"")
        self.verified = CompactTree(size, [hashes[at : at + 32] for at in range(0, len(hashes), 32)])

    def leaf(self, index):
        row = self.database.execute("SELECT leaf FROM events WHERE idx = ?", (index,)).fetchone()
        return None if row is None else row[0]

    def add(self, index, value):
        """Kafka delivers at least once, so an event can arrive again."""
        leaf, known = leaf_hash(value), self.leaf(index)
        if known is not None:
            return "doubled" if known == leaf else "different"
        self.database.execute("INSERT INTO events VALUES (?, ?, ?)", (index, value, leaf))
        return "new"

    def offsets(self, topic):
        return dict(self.database.execute("SELECT part, next FROM offsets WHERE topic = ?", (topic,)))

    def move(self, topic, part, offset):
        self.database.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", (topic, part, offset))

    def save(self):
        """Events, offsets and the verified tree in one transaction."""
        row = (self.verified.size, b"".join(self.verified.hashes))
        self.database.execute("INSERT OR REPLACE INTO verified VALUES (1, ?, ?)", row)
        self.database.commit()


def read_topic(brokers, topic, copy, on_record):
    """Reads a topic from the stored offsets to its present end."""

    def fail(error):
        raise KafkaException(error)

    # The offsets are kept with the copy, so the group has no meaning.
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "audit-consumer", "enable.auto.commit": False, "error_cb": lambda error: fail(error) if error.fatal() else None})
    try:
        parts = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        known, remaining, assigned = copy.offsets(topic), {}, []
        for part in parts:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=TIMEOUT_S)
            begin = known.get(part, low)
            if begin < high:
                remaining[part] = high
                assigned.append(TopicPartition(topic, part, begin))
        consumer.assign(assigned)
        while remaining:
            record = consumer.poll(TIMEOUT_S)
            if record is None:
                raise TimeoutError(f"no record of {topic} within {TIMEOUT_S} s")
            if record.error():
                raise KafkaException(record.error())
            part, offset = record.partition(), record.offset()
            if part not in remaining or offset >= remaining[part]:
                remaining.pop(part, None)
                continue
            on_record(record.value() or b"", dict(record.headers() or []), f"{topic}/{part}, offset {offset}")
            copy.move(topic, part, offset + 1)
            if offset + 1 >= remaining[part]:
                del remaining[part]
    finally:
        consumer.close()


def tile_path(tile):
    """Groups of three digits, all but the last after an x."""
    digits = str(tile)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def first_wrong(copy, size, root, audit_url):
    """Compares with the hashes in the tiles of the log, which count only if they have the signed root."""
    tree, wrong = copy.verified.copy(), None
    while tree.size < size:
        tile = tree.size // TILE_WIDTH
        width = min(TILE_WIDTH, size - tile * TILE_WIDTH)
        partial = "" if width == TILE_WIDTH else f".p/{width}"
        with urllib.request.urlopen(f"{audit_url}/tile/0/{tile_path(tile)}{partial}", timeout=TIMEOUT_S) as answer:
            hashes = answer.read()
        while tree.size < tile * TILE_WIDTH + width:
            at = tree.size % TILE_WIDTH * 32
            leaf = hashes[at : at + 32]
            if wrong is None and copy.leaf(tree.size) != leaf:
                wrong = tree.size
            tree.append(leaf)
    return wrong if tree.root() == root else None


def verify_copy(copy, size, root, audit_url):
    """The first problem; None: the copy agrees with the checkpoint."""
    verified = copy.verified
    if size < verified.size:  # verified in an earlier run
        return None
    tree = verified.copy()
    while tree.size < size:
        leaf = copy.leaf(tree.size)
        if leaf is None:
            return f"index {tree.size} is missing: the log has {size} events"
        tree.append(leaf)
    if tree.root() == root:
        copy.verified = tree
        return None
    wrong = first_wrong(copy, size, root, audit_url) if audit_url else None
    if wrong is None:
        return f"an event from index {verified.size} to {size - 1} has other bytes than the log"
    return f"index {wrong} has other bytes than the log"


def main():
    env = os.environ
    brokers, prefix = env.get("KAFKA_BROKERS", "localhost:9092"), env.get("TOPIC_PREFIX", "")
    copy = LogCopy(env.get("COPY_FILE", "copy.sqlite"))
    problems, checkpoints, doubled = [], [], 0

    def on_checkpoint(value, _headers, at):
        checkpoint = open_checkpoint(value, env["LOG_KEY"])
        if checkpoint is None:
            problems.append(f"the checkpoint at {at} is not signed by the log")
        else:
            checkpoints.append(checkpoint)

    def on_event(value, headers, at):
        nonlocal doubled
        index = (headers.get("ce_sequence") or b"").decode()
        if re.fullmatch(r"0|[1-9][0-9]{0,14}", index) is None:
            problems.append(f"the event at {at} has no index")
            return
        added = copy.add(int(index), value)
        doubled += added == "doubled"
        if added == "different":
            problems.append(f"index {index} arrived again with other bytes, at {at}")

    # The checkpoints first. The log publishes an event within a second after it is signed, so run again if one is missing.
    topic = f"{prefix}countersign.audit.checkpoints"
    read_topic(brokers, topic, copy, on_checkpoint)
    read_topic(brokers, f"{prefix}countersign.audit.events", copy, on_event)
    last = 0
    for size, root in checkpoints:
        problem = verify_copy(copy, size, root, env.get("AUDIT_URL"))
        if size < last:
            problem = f"the log was rolled back: a checkpoint with {size} events follows one with {last}"
        last = size
        if problem is not None:
            problems.append(problem)
            break
    if problems:  # a checkpoint that the copy does not agree with is verified again in the next run
        copy.database.execute("DELETE FROM offsets WHERE topic = ?", (topic,))
    copy.save()
    print(json.dumps({"verified": copy.verified.size, "problems": problems, "doubled": doubled}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
