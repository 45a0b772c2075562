"""A learner's own page: why they are here, the one thing that is next, their queue, today's two minutes, what came of it."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
