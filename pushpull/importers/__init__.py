"""What other systems know, brought in: people, catalogue, learning records, xAPI statements."""
