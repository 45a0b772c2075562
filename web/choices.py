"""What learners decide: messages and hours, language and format, goals and their why, pauses; what is known of them."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
