#!/opt/venv/bin/python
"""The `pushpull` command of the image, where the packages lie in /app and nothing is installed."""

from cli import main

if __name__ == "__main__":
    main()
