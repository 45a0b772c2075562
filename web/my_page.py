"""A learner's own page: why they are here, what is next, the queue, today's two minutes, what came of it."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
