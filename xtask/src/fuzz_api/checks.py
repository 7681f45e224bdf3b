"""What schemathesis is told besides the document: things that exist, and who may do what.

Run by `cargo xtask fuzz-api`, which says by HOSTLER_FUZZ_AS who asks: administrator, reader or nobody."""

import json
import os
import ssl
import urllib.request
import zlib

import schemathesis

WHO = os.environ["HOSTLER_FUZZ_AS"]
SERVER = os.environ["HOSTLER_FUZZ_SERVER"]
TOKEN = os.environ["HOSTLER_FUZZ_TOKEN"]
TRUST = ssl.create_default_context(cafile=os.environ["HOSTLER_FUZZ_CA"])
# The braces of a path, and the list in which what can stand there is found. Users and tokens stay out.
LISTS = {
    "vm": "vms", "host": "hosts", "agent": "agents", "share": "library-shares", "item": "library-items",
    "template": "templates", "job": "jobs",
}


def known(noun, more=""):
    """The first few of a list: by id and by name."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{SERVER}/api/v1/{noun}?limit=12{more}", headers=headers)
    with urllib.request.urlopen(request, context=TRUST, timeout=60) as answer:
        items = json.load(answer)["items"]
    names = [item.get("name") or item.get("spec", {}).get("name") for item in items]
    return [str(item["id"]) for item in items] + [name for name in names if name]


KNOWN = {brace: known(noun) for brace, noun in LISTS.items()}
# Those who ask, and what they ask with. Schemathesis learns names from answers: who deletes oneself asks nothing more.
ASKERS = [id_or_name for user in ("administrator", "reader") for id_or_name in known("tokens", f"&user={user}")]
ASKERS += known("users", "&filter=name=administrator") + known("users", "&filter=name=reader")


def is_an_asker(value):
    """Whether this names one of them: whole, or by the last digits of an id."""
    return any(one == value or (len(value) >= 6 and one.endswith(value.lower())) for one in ASKERS)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Three of four names are of something that exists: what is never found is never tried."""
    for brace, value in (path_parameters or {}).items():
        if brace in ("user", "token") and is_an_asker(str(value)):
            path_parameters[brace] = f"not-{value}"
        there = KNOWN.get(brace)
        draw = zlib.crc32(repr(value).encode())
        if there and draw % 4:
            path_parameters[brace] = there[draw // 4 % len(there)]
    return path_parameters


@schemathesis.check
def who_may_do_what(context, response, case):
    """Nobody is let in, and a reader reads: whatever else is wrong with a request."""
    right = case.operation.definition.raw.get("x-right")
    if right == "public" or WHO == "administrator":
        return
    # A request that is none at all (no such method, no UTF-8 in its path) is answered before anybody asks whose it is.
    wanted = 401 if WHO == "nobody" else 403
    if WHO == "reader" and right in ("see", "own"):
        # A wrong password is answered so as well.
        if response.status_code == 401 and "access.sign.in.failed" not in response.text:
            raise AssertionError(f"a reader may {right}, and was answered 401")
        return
    if response.status_code not in (wanted, 400, 404, 405, 413, 415, 431) or (
        response.status_code == 404 and case.method.upper() == "GET" and WHO == "nobody"
    ):
        raise AssertionError(f"{WHO} was answered {response.status_code} where {right} is needed, not {wanted}")
