"""People as identity providers send them (SCIM 2.0, RFC 7643 and 7644)."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
