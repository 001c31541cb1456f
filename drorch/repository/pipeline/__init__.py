"""From entries of a source to blobs in packs and one root tree: the moving part of a backup."""
