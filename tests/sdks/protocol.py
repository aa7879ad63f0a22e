"""Reads calls as lines of JSON from standard input, and writes one line of JSON per call to standard output.

Secrets are passed the same way, so that they are not in the process list.
"""

import json
import sys

# The fields of a rule, and the corresponding headers of an object.
HEADERS = {
    "sse_algorithm": "x-oss-server-side-encryption",
    "kms_master_key_id": "x-oss-server-side-encryption-key-id",
    "kms_data_encryption": "x-oss-server-side-data-encryption",
}


def encryption_headers(rule):
    """The encryption headers of an upload."""
    return {HEADERS[name]: value for name, value in (rule or {}).items() if value is not None}


def encryption_of(headers):
    """The encryption in the headers of a response."""
    return {name: headers.get(header) for name, header in HEADERS.items()}


def serve(client_class, error_class, describe):
    """Executes calls until the end of standard input.

    `connect` creates a client of `client_class`, other calls are its methods. `describe` converts an error for the
    test; an exception that is not an `error_class` ends the process.
    """
    client = None
    for line in sys.stdin.buffer:
        arguments = json.loads(line)
        call = arguments.pop("call")
        try:
            if call == "connect":
                client = client_class(**arguments)
                response = {"result": None}
            else:
                response = {"result": getattr(client, call)(**arguments)}
        except error_class as error:
            response = {"error": describe(error)}
        print(json.dumps(response), flush=True)
