"""Joins the process named on the command line as `py`, calls, observes, listens and leaves; prints JSON lines."""

import ipaddress
import json
import sys

import metanet


def tell(what, value):
    print(json.dumps([what, value], default=str), flush=True)


def ask(link, path, who):
    try:
        return dict(link.call(path, [("who", who)]))
    except metanet.MetanetError as error:
        return error.code


VERDICTS = {
    "change": metanet.change(set=[("who", "eve")], add=[("address", ipaddress.ip_address("10.0.0.9"))]),
    "answer": metanet.answer([("by", "py")]),
    "stop": metanet.stop(),
    "reject": metanet.reject("not you"),
}


def decide(message):
    who = dict(message)["who"]
    if who == "fail":
        raise KeyError(who)
    if who == "circle":
        return metanet.answer([("again", str(ask(link, "/gate/ask", "circle")))])
    return VERDICTS.get(who)


link = metanet.Link(sys.argv[1], name="py")
tell("paths", dict(link.call("/sys/list", []))["path"])
tell("alone", ask(link, "/gate/ask", "answer"))
copies = []
link.observe("/gate/ask", "eye", copies.append)
guest = link.listen("/gate/ask", "decider", decide, place="prepend", timeout=2000)
for who in ("nobody", *VERDICTS, "fail", "circle"):
    tell(who, ask(link, "/gate/ask", who))
tell("missing", ask(link, "/gate/missing", ""))
for _ in range(40):
    link.send("/gate/big", [("bytes", bytes(20_000))])
link.run(until=lambda: dict(copies[-1])["who"] == "last")
tell("copies", len(copies))
link.detach(guest)
link.close()
tell("left", True)
