"""What the wire server says, as JSON texts written by hand: their spelling is what the tests are about.

Unknown members, odd numbers and odd strings stand on purpose wherever the protocol allows more than
it names. `line` only joins a text that is broken for reading; it changes nothing inside a string.
"""

from __future__ import annotations

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION = "2026-07-28"

VERSION_META = "io.modelcontextprotocol/protocolVersion"
SUBSCRIPTION_META = "io.modelcontextprotocol/subscriptionId"


def line(text: str) -> str:
    """Join the lines of a text that is broken and indented for reading."""
    return "".join(part.strip() for part in text.split("\n"))


def fill(text: str, **parts: str) -> str:
    """Put other texts in for the capital words that stand for them."""
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


SERVER_INFO = line(r"""
    {"name":"wire","title":"Wire caf\u00e9","version":"1.0","websiteUrl":"https://example.com/",
    "icons":[{"src":"data:image/png;base64,iVBORw0KGgo=","mimeType":"image/png","sizes":["48x48"],"theme":"dark"}],
    "x-build":{"number":12345678901234567890,"ratio":1.0}}
""")

CAPABILITIES = line("""
    {"logging":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},
    "tools":{"listChanged":true,"x-unknown":null},"completions":{},
    "experimental":{"example.com/thing":{"level":1.0}},"x-capability":{"list":[1,2.50,{}]}}
""")

INSTRUCTIONS = r'"Call \"echo\" first.\nThen anything else \u2014 in order."'

_PARTS = {"CAPABILITIES": CAPABILITIES, "SERVER_INFO": SERVER_INFO, "INSTRUCTIONS": INSTRUCTIONS}

INITIALIZE = fill(
    '{"protocolVersion":"VERSION","capabilities":CAPABILITIES,"serverInfo":SERVER_INFO,'
    '"instructions":INSTRUCTIONS,"_meta":{"example.com/started":1.50},'
    '"x-initialize":{"kept":[null,true,-0]}}',
    **_PARTS,
)

DISCOVER = fill(
    '{"supportedVersions":["2026-07-28"],"capabilities":CAPABILITIES,"instructions":INSTRUCTIONS,'
    '"_meta":{"io.modelcontextprotocol/serverInfo":SERVER_INFO,"example.com/started":1.50},'
    '"x-discover":[1e-7]}',
    **_PARTS,
)

CACHEABLE = {
    "server/discover": ',"ttlMs":60000,"cacheScope":"public"',
    "tools/list": ',"ttlMs":5000,"cacheScope":"public"',
    "prompts/list": ',"ttlMs":5000,"cacheScope":"public"',
    "resources/list": ',"ttlMs":5000,"cacheScope":"public"',
    "resources/templates/list": ',"ttlMs":5000,"cacheScope":"public"',
    "resources/read": ',"ttlMs":0,"cacheScope":"private"',
}
"""What a modern result of these methods carries besides ``resultType``."""

NUMBERS = line("""
    {"point":1.0,"long":12345678901234567890,"negativeLong":-98765432109876543210,"small":1e-7,
    "exponent":1E5,"plus":1e+05,"minusZero":-0,"minusZeroPoint":-0.0,"trailing":0.1000,
    "digits":0.12345678901234567890,"pi":3.141592653589793238462643383279,
    "safe":9007199254740993,"signed":-9223372036854775808,"unsigned":18446744073709551615}
""")

# U+2028 and the emoji stand once as themselves and once as escapes.
STRINGS = (
    '{"separator":"a\u2028b","emoji":"\U0001f600","accent":"é","delete":"\x7f",'
    r'"escapedSeparator":"a\u2028b","escapedEmoji":"\ud83d\ude00","null":"a\u0000b","lone":"\ud800",'
    r'"slash":"a\/b","quote":"\"\\","control":"\b\f\n\r\t\u001f","":"empty name","\u00e9\ud800":"odd name"}'
)

MIXED = line(r"""
    {"content":[
    {"type":"text","text":"first","annotations":{"audience":["user"],"priority":0.50},"x-text":1.0},
    {"type":"image","data":"iVBORw0KGgo=","mimeType":"image/png","_meta":{"example.com/width":1.0}},
    {"type":"audio","data":"UklGRg==","mimeType":"audio/wav"},
    {"type":"resource","resource":{"uri":"wire://text","mimeType":"text/plain","text":"embedded","x-resource":null}},
    {"type":"resource","resource":{"uri":"wire://blob","blob":"AAEC"}},
    {"type":"resource_link","uri":"wire://text","name":"text","size":10,"x-link":true}],
    "structuredContent":{"b":2,"a":1,"nested":{"empty":{},"list":[],"null":null}},
    "isError":false,"_meta":{"example.com/cost":0.10,"other":{"x":[1.0]}},"x-result":"kept"}
""")

FIXED = {
    "numbers": fill(
        '{"content":[{"type":"text","text":"numbers"}],"structuredContent":NUMBERS}', NUMBERS=NUMBERS
    ),
    "huge_number": '{"content":[],"structuredContent":{"huge":1E400,"negative":-1e400}}',
    "strings": fill(
        '{"content":[{"type":"text","text":"strings"}],"structuredContent":STRINGS}', STRINGS=STRINGS
    ),
    "mixed": MIXED,
    "empty": '{"content":[]}',
    "nothing": "{}",
    "tool_error": line("""
        {"content":[{"type":"text","text":"it failed"}],"isError":true,
        "structuredContent":{"code":7.0},"_meta":{"example.com/retry":false}}
    """),
}
"""Tools that always give the same result."""

ERRORS = {
    "error_data": '{"code":-32050,"message":"with data","data":{"b":1.0,"a":[12345678901234567890,null]}}',
    "error_text_data": '{"code":-32051,"message":"with text","data":"some text"}',
    "error_bare": '{"code":-32052,"message":"without data"}',
    "error_null_data": '{"code":-32053,"message":"with null","data":null}',
    "error_unknown": '{"code":-32054,"message":"with more","data":{},"x-error":{"kept":1.0},"level":"high"}',
    "error_positive": '{"code":42,"message":"caf\\u00e9 \\ud83d\\ude00"}',
}
"""Tools that always give the same protocol error."""

FIRST_TOOLS = (
    line(r"""
        {"name":"echo","title":"Echo","description":"Gives back its params.\nExactly.",
        "inputSchema":{"type":"object","properties":{"text":{"type":"string"},
        "number":{"type":"number","minimum":-1.0,"maximum":1e300}},"additionalProperties":true},
        "annotations":{"readOnlyHint":true,"x-hint":1.0},"icons":[{"src":"https://example.com/i.png"}],
        "_meta":{"example.com/tool":true},"x-tool":{"kept":[1.0]}}
    """),
    line("""
        {"name":"mixed","description":"Every kind of content","inputSchema":{"type":"object"},
        "outputSchema":{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"integer"}}}}
    """),
    line("""
        {"name":"headered","description":"Echo with an argument that is mirrored into a header",
        "inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}
    """),
)

RESOURCE_PAGES = (
    line("""
        {"resources":[{"uri":"wire://text","name":"text","mimeType":"text/plain","size":4,"x-resource":1.0}],
        "nextCursor":"cmVzb3VyY2VzOjI=","x-page":1.0}
    """),
    '{"resources":[{"uri":"wire://blob","name":"blob","title":"Blob"}],"_meta":{"example.com/last":true}}',
)

RESOURCES = {
    "wire://text": '{"contents":[{"uri":"wire://text","mimeType":"text/plain","text":"text","x-content":1.0}]}',
    "wire://blob": '{"contents":[{"uri":"wire://blob","blob":"AAEC","_meta":{"size":3.0}}]}',
}

PROMPT = line("""
    {"description":"A greeting","messages":[{"role":"user","content":{"type":"text","text":"Hello"}},
    {"role":"assistant","content":{"type":"image","data":"iVBORw0KGgo=","mimeType":"image/png"},"x-message":1.0}]}
""")

ANSWERS = {
    "ping": "{}",
    "logging/setLevel": "{}",
    "resources/subscribe": "{}",
    "resources/unsubscribe": "{}",
    "resources/templates/list": '{"resourceTemplates":[{"uriTemplate":"wire://item/{id}","name":"item"}]}',
    "prompts/list": '{"prompts":[{"name":"greet","arguments":[{"name":"who","required":false,"x":1.0}]}]}',
    "prompts/get": PROMPT,
    "completion/complete": '{"completion":{"values":["one","two"],"total":2,"hasMore":false,"x":1.0}}',
}
"""Methods that always give the same result."""

ASKED = {
    "elicitation": (
        "elicitation/create",
        line("""
            {"message":MESSAGE,"requestedSchema":{"type":"object","properties":{"name":{"type":"string"},
            "ratio":{"type":"number","minimum":0.0}},"required":["name"]},"x-ask":1.0}
        """),
    ),
    "sampling": (
        "sampling/createMessage",
        line("""
            {"messages":[{"role":"user","content":{"type":"text","text":MESSAGE}}],"maxTokens":100,
            "temperature":0.70,"modelPreferences":{"costPriority":1.0}}
        """),
    ),
    "roots": ("roots/list", '{"_meta":{"example.com/why":MESSAGE}}'),
    "url": (
        "elicitation/create",
        '{"mode":"url","message":MESSAGE,"url":"https://example.com/go?x=1","elicitationId":"e-1","x-ask":1.0}',
    ),
}
"""What the ``ask`` tool sends: method and params, by its ``kind``."""
