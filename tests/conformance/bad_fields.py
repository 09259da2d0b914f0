# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fields of a request to create an exec, and values that none of them takes, as JSON."""

# Values of another type: both daemons answer "cannot unmarshal GOT into Go struct field … of type WANTED".
WRONG_TYPES = [
    ("Tty", '"x"', "string", "bool"), ("Tty", "1", "number", "bool"), ("Tty", "[]", "array", "bool"),
    ("Tty", "{}", "object", "bool"), ("Privileged", '"true"', "string", "bool"), ("Privileged", "1", "number", "bool"),
    ("AttachStdin", "0", "number", "bool"), ("AttachStdin", '"x"', "string", "bool"),
    ("AttachStdout", '"1"', "string", "bool"), ("AttachStdout", "[]", "array", "bool"),
    ("AttachStderr", "[true]", "array", "bool"), ("AttachStderr", "{}", "object", "bool"),
    ("User", "0", "number", "string"), ("User", "true", "bool", "string"), ("User", "[]", "array", "string"),
    ("WorkingDir", "7", "number", "string"), ("WorkingDir", "true", "bool", "string"),
    ("WorkingDir", "{}", "object", "string"), ("DetachKeys", "1", "number", "string"),
    ("Env", '"A=1"', "string", "[]string"), ("Env", "{}", "object", "[]string"), ("Env", "[1]", "number", "string"),
    ("Env", '[["A=1"]]', "array", "string"), ("Cmd", "5", "number", "[]string"), ("Cmd", "true", "bool", "[]string"),
    ("Cmd", "{}", "object", "[]string"), ("Cmd", "[1]", "number", "string"), ("Cmd", '["sh",["x"]]', "array", "string"),
]

# Further requests that execd refuses, and the name in its message: dockerd finds some of it later, and does not have the others.
VALUES = [
    ("Cmd", "[]", "Cmd"), ("Cmd", '""', "Cmd"), ("Env", '["=x"]', "environment variable"), ("User", '"a b"', "User"),
    ("User", '"99999999999"', "User"), ("DetachKeys", '"abc"', "DetachKeys"),
    *(("ConsoleSize", value, "ConsoleSize") for value in ("[1]", "[-1,2]", "[70000,80]", '["a",1]', "{}", '"24x80"', "[1.5,2]")),
    *(("Labels", value, "Labels") for value in ('"a"', "[]", "[1]", '["a=b"]', '{"a":1}', '{"":"x"}', '{"a=b":"x"}')),
    *(("OnDisconnect", value, "OnDisconnect") for value in ('"KEEP"', '"explode"', "1", "[]")),
    *(("Properties", '{"%s":"%s"}' % (name, value), f"Properties.{name}") for name, value in [
        ("ExecStart", "x"), ("Delegate", "yes"), ("memorymax", "1G"), ("MemoryMax", "much"), ("MemoryMax", ""),
        ("MemoryMax", "-1"), ("TasksMax", "0"), ("CPUQuota", "50"), ("CPUWeight", "0"), ("CPUWeight", "10001"),
        ("IOWeight", "x"), ("AllowedCPUs", "3-1"), ("RuntimeMaxSec", "-2"), ("RuntimeMaxSec", "soon"),
        ("OOMPolicy", "explode")]),
    ("Properties", '{"MemoryMax":[]}', "Properties"), ("Properties", '{"MemoryMax":true}', "Properties"),
]

NAMED = [(field, value, field) for field, value, _, _ in WRONG_TYPES] + VALUES


def body_with(field, value):
    """A request that is right but for that field."""
    return "{%s%s:%s}" % ("" if field == "Cmd" else '"Cmd":["true"],', f'"{field}"', value)
