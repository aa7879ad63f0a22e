"""Calls come as lines of JSON on standard input, each is answered with one line on standard output.

Secrets come the same way: no list of processes shows them.
"""

import json
import sys

# A rule's parts, and the headers of an object that say the same.
HEADERS = {
    "sse_algorithm": "x-oss-server-side-encryption",
    "kms_master_key_id": "x-oss-server-side-encryption-key-id",
    "kms_data_encryption": "x-oss-server-side-data-encryption",
}


def encryption_headers(rule):
    """The headers with which an upload asks for its own encryption."""
    return {HEADERS[name]: value for name, value in (rule or {}).items() if value is not None}


def encryption_of(headers):
    """How an answer says that its object is encrypted."""
    return {name: headers.get(header) for name, header in HEADERS.items()}


def serve(client_class, error_class, describe):
    """Answers until standard input ends.

    `connect` makes a client of `client_class`, other calls are its methods. `describe` tells of an error what the
    test compares; an exception that is no `error_class` ends the process.
    """
    client = None
    for line in sys.stdin.buffer:
        arguments = json.loads(line)
        call = arguments.pop("call")
        try:
            if call == "connect":
                client = client_class(**arguments)
                answer = {"result": None}
            else:
                answer = {"result": getattr(client, call)(**arguments)}
        except error_class as error:
            answer = {"error": describe(error)}
        print(json.dumps(answer), flush=True)
