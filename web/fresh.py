"""A link that has expired, and the fresh one that can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
