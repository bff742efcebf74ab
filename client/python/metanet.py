"""A client of MetaNet's link protocol, version 1 (docs/link-protocol.md), with the standard library only.

It calls and sends to the mailboxes of one process, observes them and listens in their chains. A message is a
list of (tag, value) pairs. One thread: what arrives is dealt with while a call waits, or in run().
"""

import datetime
import ipaddress
import os
import socket
import struct

HELLO, SEND, CALL, REPLY, ERROR, ATTACH, DETACH, OFFER = range(1, 9)
VERDICT, OBSERVE, NAME, CREDIT, PING, PONG, GOODBYE = range(9, 16)
CHARGED = (SEND, CALL, OFFER, OBSERVE)
META, QUIET = 1, 4
SPELLED, NO_MAILBOX = 0, 65535
HEAD_SIZE, LENGTH_SIZE = 16, 4
FRAME_MAX, FRAME_MAX_BEFORE_HELLO = 1_048_576, 4096
GRANT, GIVE_BACK = 262_144, 65_536
LIST_MAX = 65_536
SILENCE_SECONDS, PINGS_MAX = 5, 3


class MetanetError(Exception):
    """An ERROR of the other side; `code` is stable (section 8)."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


class Mac(bytes):
    """A hardware address: six bytes."""

    def __str__(self):
        return self.hex(":")

    @staticmethod
    def parse(text):
        return Mac.fromhex(text.replace(":", ""))


# Section 3: messages


def _head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | extra]) + number.to_bytes(size, "big")
    raise ValueError(f"Cannot write integer {number}: it has more than 64 bits")


def _value(value):
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return _value(int(value)) if _is_whole(value) else b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, Mac):
        return _head(6, 48) + _head(2, 6) + bytes(value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, datetime.datetime):
        return _head(6, 1) + _value(value.timestamp())
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return _head(6, 52 if value.version == 4 else 54) + _value(value.packed)
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        pair = [value.prefixlen, value.network_address.packed.rstrip(b"\0")]
        return _head(6, 52 if value.version == 4 else 54) + _value(pair)
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(_value, value))
    raise TypeError(f"Cannot write a {type(value).__name__} into a message")


def _is_whole(value):
    """Such a float and the integer are the same value of the protocol; minus zero is a float."""
    return value.is_integer() and abs(value) < 1 << 53 and str(value) != "-0.0"


def encode(message):
    """The bytes of a message."""
    return _value([part for pair in message for part in pair])


def decode(data, at=0):
    """The message at an offset, and the offset behind it. Raises ValueError when there is none."""
    flat, end = _read(data, at)
    if type(flat) is not list or len(flat) % 2 or not all(map(_is_tag, flat[::2])):
        raise ValueError("Cannot read message: it is no array of tags and values")
    return list(zip(flat[::2], flat[1::2])), end


def _is_tag(tag):
    return type(tag) is str and 1 <= len(tag) <= 64 and all(" " <= c <= "~" and c not in "/:*" for c in tag)


def _read(data, at, depth=0):
    """One item: the message itself at depth 0, a value at 1, what is in a list or prefix below that."""
    first = _take(data, at, 1)[0]
    major, number, at = first >> 5, first & 31, at + 1
    if major == 7:
        if number in (20, 21, 22):
            return {20: False, 21: True, 22: None}[number], at
        kind, size = {26: (">f", 4), 27: (">d", 8)}.get(number) or _refuse(at)
        value = struct.unpack(kind, _take(data, at, size))[0]
        return int(value) if _is_whole(value) else value, at + size
    if number >= 24:
        size = {24: 1, 25: 2, 26: 4, 27: 8}.get(number) or _refuse(at)
        number, at = int.from_bytes(_take(data, at, size), "big"), at + size
    if major in (0, 1):
        return (number if major == 0 else -1 - number), at
    if major in (2, 3):
        content = bytes(_take(data, at, number))
        return (content if major == 2 else content.decode()), at + number
    if major == 4 and depth < 2:
        values = []
        for _ in range(number if number <= LIST_MAX else _refuse(at)):
            value, at = _read(data, at, depth + 1)
            values.append(value)
        return values, at
    if major == 6 and number in (1, 48, 52, 54):
        value, end = _read(data, at, 1)
        return _tagged(number, value, at), end
    return _refuse(at)


def _tagged(number, value, at):
    size = {48: 6, 52: 4, 54: 16}.get(number)
    if number == 1 and type(value) in (int, float):
        try:
            return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
        except (OverflowError, OSError):
            return _refuse(at)
    if number == 48 and type(value) is bytes and len(value) == size:
        return Mac(value)
    if number in (52, 54) and type(value) is bytes and len(value) == size:
        return ipaddress.ip_address(value)
    if number in (52, 54) and type(value) is list and list(map(type, value)) == [int, bytes]:
        length, start = value
        if 0 <= length <= 8 * size and len(start) <= size:
            return ipaddress.ip_network((start.ljust(size, b"\0"), length))
    return _refuse(at)


def _take(data, at, size):
    return data[at : at + size] if at + size <= len(data) else _refuse(at)


def _refuse(at):
    raise ValueError(f"Cannot read message: byte {at} is nothing that a message may hold")


# Section 7: verdicts


def stop():
    """Handled: nobody after this listener is asked."""
    return [("verdict", "stop")], []


def reject(reason):
    """Refused: the sender learns why."""
    return [("verdict", "reject"), ("reason", reason)], []


def change(set=(), add=(), remove=()):
    """The next listener sees the edited message; set and add are lists of pairs, remove is a list of tags."""
    control = [("verdict", "change"), ("set", len(set)), ("add", len(add)), ("remove", list(remove))]
    return control, [*set, *add]


def answer(message):
    """Handled, and this is the answer of the call."""
    return [("verdict", "answer")], message


# Sections 2, 4, 5 and 6: the link


class Link:
    """A link to one process of this machine."""

    def __init__(self, process, name=None, directory=None):
        self.name = name or f"py-{os.getpid()}"
        directory = directory or os.environ.get("METANET_RUN", "/run/metanet")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(SILENCE_SECONDS)
        self._socket.connect(os.path.join(directory, process))
        self._buffer, self._seq, self._pings = bytearray(), 0, 0
        self._frame_max, self._credit, self._owed = FRAME_MAX_BEFORE_HELLO, 0, 0
        self._answers, self._guests, self._cause = {}, {}, []
        self._greeted = False
        hello = [("magic", "metanet"), ("version-min", 1), ("version-max", 1), ("name", self.name)]
        hello += [("instance", os.urandom(6).hex()), ("frame-max", FRAME_MAX), ("credit", GRANT)]
        self._write(HELLO, body=hello)
        while not self._greeted:
            if not self._pump():
                raise MetanetError("peer-gone", f"{process} ended the link before its HELLO")

    def send(self, path, message):
        """Sends a message; returns when the whole chain of listeners has run."""
        self._ask(SEND, path, message, self._cause)

    def call(self, path, message):
        """Sends a message and returns the answer."""
        return self._ask(CALL, path, message, self._cause)

    def listen(self, path, label, decide, **options):
        """Puts decide(message) into a chain: it returns None to continue, or one of the verdicts above."""
        return self._attach(path, label, decide, [], options)

    def observe(self, path, label, see):
        """Has see(message) get a copy of every message of a mailbox."""
        return self._attach(path, label, see, [("observe", True)], {})

    def detach(self, guest):
        """Takes out what listen() or observe() put in."""
        self._ask(DETACH, None, [], ref=guest)
        del self._guests[guest]

    def run(self, until=lambda: False):
        """Deals with what arrives until the link ends, or until() is true."""
        while not until() and self._pump():
            pass

    def close(self):
        """Says goodbye, and waits until the other side has ended too."""
        with self._socket:
            try:
                self._write(GOODBYE, body=[("reason", "closing")])
                self._socket.shutdown(socket.SHUT_WR)
                self.run()
            except OSError:
                pass  # The other side has ended already.

    def _attach(self, path, label, function, body, options):
        body = [("label", label), *body, *((tag.replace("_", "-"), value) for tag, value in options.items())]
        seq = self._seq + 1
        # Before the answer: the first OFFER may come right behind it.
        self._guests[seq] = (function, f"{self.name}/{label}@{path}")
        try:
            self._ask(ATTACH, path, body)
        except MetanetError:
            del self._guests[seq]
            raise
        return seq

    def _ask(self, kind, path, body, control=(), ref=0):
        self._seq += 1
        seq = self._seq
        self._answers[seq] = None
        self._write(kind, path, seq, ref, control, body)
        while self._answers[seq] is None:
            if not self._pump():
                raise MetanetError("peer-gone", "the link has ended")
        code, answered = self._answers.pop(seq)
        if code is not None:
            raise MetanetError(code, dict(answered).get("text", ""))
        return answered

    def _write(self, kind, path=None, seq=0, ref=0, control=(), body=()):
        spelled = b"" if path is None else bytes([len(path)]) + path.encode("ascii")
        content = spelled + (encode(control) if control else b"") + encode(body)
        size = HEAD_SIZE + len(content)
        if size > self._frame_max:
            raise ValueError(f"Cannot send {size} bytes: the other side takes {self._frame_max}")
        if kind in CHARGED:
            while self._credit <= 0 and self._pump():
                pass
            self._credit -= size
        mailbox = NO_MAILBOX if path is None else SPELLED
        head = (size - LENGTH_SIZE, kind, META if control else 0, mailbox, seq, ref)
        self._socket.sendall(struct.pack("<IBBHII", *head) + content)

    def _pump(self):
        """Reads once and deals with every whole frame; False when the stream has ended."""
        try:
            data = self._socket.recv(65_536)
        except TimeoutError:
            self._pings += 1
            if self._pings > PINGS_MAX:
                return False
            self._write(PING)
            return True
        self._pings = 0
        self._buffer += data
        while len(self._buffer) >= LENGTH_SIZE:
            size = LENGTH_SIZE + struct.unpack_from("<I", self._buffer)[0]
            if not HEAD_SIZE <= size <= FRAME_MAX:
                raise MetanetError("framing", f"a frame of {size} bytes")
            if len(self._buffer) < size:
                break
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._take(frame)
        return bool(data)

    def _take(self, frame):
        _, kind, flags, mailbox, seq, ref = struct.unpack_from("<IBBHII", frame)
        try:
            at = HEAD_SIZE + (1 + _take(frame, HEAD_SIZE, 1)[0] if mailbox == SPELLED else 0)
            control, at = decode(frame, at) if flags & META else ([], at)
            body, at = decode(frame, at)
            if at != len(frame):
                raise ValueError(f"Cannot read message: it ends at byte {at}, its frame at {len(frame)}")
        except ValueError as error:
            if kind in (SEND, CALL, ATTACH, DETACH, OFFER):
                self._fail(seq, "malformed-message", str(error))
        else:
            self._deal(kind, flags, seq, ref, control, body)
        if kind in CHARGED:
            self._owed += len(frame)
            if self._owed >= GIVE_BACK:
                self._write(CREDIT, body=[("bytes", self._owed)])
                self._owed = 0

    def _deal(self, kind, flags, seq, ref, control, body):
        if kind == HELLO:
            told = dict(body)
            self._frame_max, self._credit = told.get("frame-max", FRAME_MAX), told.get("credit", GRANT)
            self._greeted = True
        elif kind == ERROR and ref == 0:
            told = dict(body)
            raise MetanetError(told.get("code", "internal"), told.get("text", ""))
        elif kind in (REPLY, ERROR) and ref in self._answers:
            self._answers[ref] = (dict(body).get("code", "internal") if kind == ERROR else None, body)
        elif kind == OFFER:
            self._decide(seq, ref, control, body)
        elif kind == OBSERVE and ref in self._guests:
            self._guests[ref][0](body)
        elif kind == CREDIT:
            self._credit += dict(body).get("bytes", 0)
        elif kind == PING:
            self._write(PONG)
        elif kind in (CALL, ATTACH, DETACH) or (kind == SEND and not flags & QUIET):
            self._fail(seq, "no-such-mailbox", f"{self.name} has no mailboxes")

    def _decide(self, seq, ref, control, body):
        if ref not in self._guests:
            return self._fail(seq, "nobody-listening", "the listener was taken out")
        decide, identity = self._guests[ref]
        told = dict(control)
        # What is sent meanwhile says what led to it, so that a message going in circles is noticed.
        before, self._cause = self._cause, [
            ("hops", told.get("hops", 0) + 1),
            ("waiting", [*told.get("waiting", []), identity]),
            *((tag, told[tag]) for tag in ("budget", "trace") if tag in told),
        ]
        try:
            verdict, message = decide(body) or ([], [])
        except Exception as error:  # the owner goes on by the listener's on-error
            return self._fail(seq, "internal", repr(error))
        finally:
            self._cause = before
        self._write(VERDICT, ref=seq, control=verdict, body=message)

    def _fail(self, ref, code, text):
        self._write(ERROR, ref=ref, body=[("code", code), ("text", text)])
