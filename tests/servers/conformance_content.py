"""What the conformance server has to read: resources, prompts, completions and skills."""

from __future__ import annotations

import hashlib
from typing import Final

from mcp_types import INVALID_PARAMS

from tests.servers.conformance_call import Call, Json, refuse
from tests.servers.conformance_rounds import prompt_with_input
from tests.servers.conformance_tools import IMAGE, PNG, embedded

_NOT_FOUND_HANDSHAKE: Final = -32002
_DIRECTORY: Final = "inode/directory"
_NEXT: Final = "page-2"


def _skill(name: str) -> str:
    return f"---\nname: {name}\ndescription: How to use {name}\n---\nUse {name}.\n"


_SKILLS: Final = ("greeting", "parting")
_SKILL_FILES: Final = {
    f"skill://{name}/{path}": content
    for name in _SKILLS
    for path, content in (("SKILL.md", _skill(name)), ("references/more.md", f"More of {name}.\n"))
}


def _resource(uri: str, name: str, mime_type: str, description: str = "For tests") -> Json:
    return {"uri": uri, "name": name, "mimeType": mime_type, "description": description}


_PAGES: Final = (
    [
        _resource("test://static-text", "static-text", "text/plain"),
        _resource("test://static-binary", "static-binary", "image/png"),
        _resource("test://watched-resource", "watched-resource", "text/plain"),
    ],
    [_resource(f"skill://{name}/SKILL.md", name, "text/markdown", f"How to use {name}") for name in _SKILLS],
)


def _page(call: Call) -> int:
    return 1 if call.params.get("cursor") == _NEXT else 0


def _paged(call: Call, name: str, pages: tuple[list[Json], ...]) -> Json:
    page = _page(call)
    return {name: pages[page]} if page else {name: pages[0], "nextCursor": _NEXT}


async def list_resources(call: Call) -> Json:
    return _paged(call, "resources", _PAGES)


async def list_templates(call: Call) -> Json:
    template = {
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data by id",
        "mimeType": "application/json",
    }
    return {"resourceTemplates": [template]}


async def read_resource(call: Call) -> Json:
    uri = str(call.params.get("uri"))
    if uri == "test://static-binary":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PNG}]}
    mime_type, content = _text_of(uri)
    if content is None:
        # The modern era has no error code of its own for this.
        refuse(INVALID_PARAMS if call.modern else _NOT_FOUND_HANDSHAKE, "Resource not found", {"uri": uri})
    return {"contents": [{"uri": uri, "mimeType": mime_type, "text": content}]}


def _text_of(uri: str) -> tuple[str, str | None]:
    scheme, _, path = uri.partition("://")
    match scheme, path.split("/"):
        case "test", ["static-text" | "watched-resource" as name]:
            return "text/plain", f"The content of {name}."
        case "test", ["template", name, "data"]:
            return "application/json", f'{{"id":"{name}","data":"Data of {name}"}}'
        case _:
            return "text/markdown", _SKILL_FILES.get(uri)


# Prompts.


def _argument(name: str) -> Json:
    return {"name": name, "description": "For tests", "required": True}


_PROMPTS: Final = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": [_argument("arg1"), _argument("arg2")],
    "test_prompt_with_embedded_resource": [_argument("resourceUri")],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}


async def list_prompts(call: Call) -> Json:
    prompts = [
        {"name": name, "description": f"The prompt {name}", "arguments": arguments}
        for name, arguments in _PROMPTS.items()
    ]
    return {"prompts": prompts}


async def get_prompt(call: Call) -> Json:
    arguments = call.arguments
    match call.params.get("name"):
        case "test_simple_prompt":
            return _messages({"type": "text", "text": "A simple prompt."})
        case "test_prompt_with_arguments":
            said = f"Arguments: {arguments.get('arg1')!r}, {arguments.get('arg2')!r}"
            return _messages({"type": "text", "text": said})
        case "test_prompt_with_embedded_resource":
            resource = embedded(str(arguments.get("resourceUri")), "text/plain", "The embedded content.")
            return _messages(resource, {"type": "text", "text": "Please read the resource."})
        case "test_prompt_with_image":
            return _messages(IMAGE, {"type": "text", "text": "Please look at the image."})
        case "test_input_required_result_prompt":
            return await prompt_with_input(call)
        case _:
            refuse(INVALID_PARAMS, "There is no such prompt")
            return {}


def _messages(*contents: Json) -> Json:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


async def complete(call: Call) -> Json:
    typed = str(call.params.get("argument", {}).get("value", ""))
    values = [word for word in ("paris", "park", "party", "test") if word.startswith(typed)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}


# The skills extension.


def _entry(name: str) -> Json:
    root = f"skill://{name}/"
    files = [
        {
            "uri": uri,
            "digest": f"sha256:{hashlib.sha256(content.encode()).hexdigest()}",
            "size": len(content.encode()),
        }
        for uri, content in _SKILL_FILES.items()
        if uri.startswith(root)
    ]
    frontmatter = {"name": name, "description": f"How to use {name}"}
    return {"uri": f"{root}SKILL.md", "frontmatter": frontmatter, "resources": files}


async def list_skills(call: Call) -> Json:
    return _paged(call, "skills", tuple([_entry(name)] for name in _SKILLS))


async def get_skill(call: Call) -> Json:
    for name in _SKILLS:
        if call.params.get("uri") == f"skill://{name}/SKILL.md":
            return {"skill": _entry(name)}
    refuse(INVALID_PARAMS, "There is no such skill")
    return {}


async def read_directory(call: Call) -> Json:
    root = f"{call.params.get('uri')}/"
    children: dict[str, Json] = {}
    for uri in _SKILL_FILES:
        if uri.startswith(root):
            name, _, below = uri.removeprefix(root).partition("/")
            children[name] = _resource(root + name, name, _DIRECTORY if below else "text/markdown")
    if not children:
        refuse(INVALID_PARAMS, "That is no directory")
    return {"resources": list(children.values())}
