"""Alembic's folder: every change that the tables ever went through."""
