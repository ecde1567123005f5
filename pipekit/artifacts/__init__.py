"""Values and their bytes: serializers, blobs, and the store that joins them."""
