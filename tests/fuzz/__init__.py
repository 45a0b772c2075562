"""Everything the app can be asked, asked well and asked badly."""
