"""Checks the Python client against test/vectors; the only argument is that folder. Prints what differs."""

import datetime
import ipaddress
import json
import pathlib
import sys

import metanet

READ = {
    "text": str,
    "int": int,
    "float": float,
    "bool": bool,
    "null": lambda _: None,
    "bytes": bytes.fromhex,
    "mac": metanet.Mac.parse,
    "ip": ipaddress.ip_address,
    "prefix": ipaddress.ip_network,
    "time": datetime.datetime.fromisoformat,
    "list": lambda values: [read(value) for value in values],
}


def read(value):
    return READ[value["type"]](value.get("value"))


def is_same(left, right):
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(is_same, left, right))
    return type(left) is type(right) and repr(left) == repr(right)


vectors = pathlib.Path(sys.argv[1])
count = 0
for name in ("messages", "messages-lenient"):
    for entry in json.loads((vectors / f"{name}.json").read_text()):
        data = bytes.fromhex(entry["hex"])
        wanted = [(tag, read(value)) for tag, value in entry["tuples"]]
        message, end = metanet.decode(data)
        if end != len(data) or not is_same(list(map(list, message)), list(map(list, wanted))):
            print(name, entry["name"], "is read as", message)
        if name == "messages" and metanet.encode(wanted) != data:
            print(name, entry["name"], "is written as", metanet.encode(wanted).hex())
        count += 1
for entry in json.loads((vectors / "messages-invalid.json").read_text()):
    data = bytes.fromhex(entry["hex"])
    try:
        message, end = metanet.decode(data)
        if end == len(data):
            print("messages-invalid", entry["name"], "is read as", message)
    except ValueError:
        pass
    count += 1
print(f"{count} vectors")
