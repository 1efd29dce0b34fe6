"""What the bridge knows of the protocol by name is what the SDK's types say."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import mcp_types
from mcp_types import CacheableResult, InputRequest, LoggingLevel, SubscriptionFilter

from mcptap import protocol
from mcptap.bridging import common


def method(kind: type[Any]) -> str:
    return str(kind.model_fields["method"].default)


def test_the_names_of_levels_metadata_and_filters_are_those_of_the_sdk() -> None:
    assert get_args(LoggingLevel) == common.LEVELS
    assert mcp_types.LOG_LEVEL_META_KEY == protocol.LOG_LEVEL_META
    assert mcp_types.PROTOCOL_VERSION_META_KEY == protocol.VERSION_META
    assert mcp_types.CLIENT_INFO_META_KEY == protocol.CLIENT_INFO_META
    assert mcp_types.CLIENT_CAPABILITIES_META_KEY == protocol.CAPABILITIES_META
    assert mcp_types.SERVER_INFO_META_KEY == protocol.SERVER_INFO_META
    wanted = {str(field.alias) for field in SubscriptionFilter.model_fields.values()}
    assert wanted == {member for member, _ in common.LIST_CHANGES.values()} | {"resourceSubscriptions"}


def test_the_results_with_cache_hints_are_those_of_the_sdk() -> None:
    kinds = [
        name.replace("Result", "Request")
        for name, each in vars(mcp_types).items()
        if inspect.isclass(each) and issubclass(each, CacheableResult) and each is not CacheableResult
    ]
    assert {method(getattr(mcp_types, name)) for name in kinds} == common.CACHEABLE


def test_what_a_client_may_be_asked_and_told_has_the_names_of_the_sdk() -> None:
    assert {method(kind) for kind in get_args(InputRequest)} == common.ASKED
    changes = [
        mcp_types.ToolListChangedNotification,
        mcp_types.PromptListChangedNotification,
        mcp_types.ResourceListChangedNotification,
    ]
    assert {method(kind) for kind in changes} == set(common.LIST_CHANGES)
    assert method(mcp_types.ResourceUpdatedNotification) == common.UPDATED
    assert method(mcp_types.SubscriptionsAcknowledgedNotification) == common.ACKNOWLEDGED
    assert method(mcp_types.LoggingMessageNotification) == common.LOG_MESSAGE
    assert {
        method(mcp_types.GetTaskRequest),
        method(mcp_types.GetTaskPayloadRequest),
        method(mcp_types.ListTasksRequest),
        method(mcp_types.CancelTaskRequest),
        method(mcp_types.TaskStatusNotification),
    } <= common.TASKS


def test_the_codes_of_errors_are_those_of_the_sdk() -> None:
    assert protocol.HEADER_MISMATCH == mcp_types.HEADER_MISMATCH
    assert protocol.MISSING_CAPABILITY == mcp_types.MISSING_REQUIRED_CLIENT_CAPABILITY
    assert protocol.UNSUPPORTED_VERSION == mcp_types.UNSUPPORTED_PROTOCOL_VERSION
    assert protocol.URL_ELICITATION_REQUIRED == mcp_types.URL_ELICITATION_REQUIRED
