"""What every room uses: errors, files, rows, manifests, progress and downloads."""
