"""Signing in managers, sponsors and ops with the company's own provider (OpenID Connect)."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
