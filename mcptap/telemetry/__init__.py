"""Spans and metrics by OpenTelemetry's semantic conventions for MCP (docs/telemetry.md)."""
