"""The statements endpoint for course players (xAPI 1.0.3, part three)."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
